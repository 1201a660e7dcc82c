"""Independent WSGI building blocks for web resources that behave like collections.

This package imports nothing, so that each piece can be taken alone:

========================  =====================================================
module                    what it gives you
========================  =====================================================
wsgikit.uri               URIPattern: match a path against a URI template, and back
wsgikit.dispatcher        Dispatcher: URI templates to WSGI applications
wsgikit.views             view() for functions, View for classes
wsgikit.collection        Collection: method + id + noun to a named method
wsgikit.query             the query string as a Query
wsgikit.model             Model, the contract of a store; Field, Page; MemoryModel
wsgikit.sql               TableModel: a SQLAlchemy Core table as a Model
wsgikit.model_collection  ModelCollection: a Collection over a Model
wsgikit.media             MediaType, negotiate(), parse_body(), respond(), problem()
wsgikit.media.json        JSON
wsgikit.media.forms       FormParser: urlencoded and multipart forms
wsgikit.media.html        HTML() and page(): pages from Genshi templates
wsgikit.media.csv         CSV
wsgikit.media.ndjson      NDJSON
wsgikit.media.atom        Atom
wsgikit.security          CrossOriginProtection, SecurityHeaders, MaxBody
wsgikit.static            static(): the files of a directory
wsgikit.events            EventStream: server-sent events; MaxStreams
wsgikit.deferred          DeferredCollection: views found by name
wsgikit.home              Home: the index of a dispatcher
wsgikit.openapi           OpenAPI: the description of a dispatcher
wsgikit.reflect           reflect(): a dispatcher over an existing database
wsgikit.scaffold          the files of a new project, view or model view
wsgikit.server            run() and serve(): the development server
wsgikit.cli               the ``wsgikit`` command
========================  =====================================================
"""

__version__ = "0.1.0"
