"""The application: URI templates on the left, WSGI applications on the right."""

from pathlib import Path

from dbconfig import engine
from models.departments import table as departments
from models.employees import table as employees

from wsgikit.dispatcher import Dispatcher
from wsgikit.home import Home
from wsgikit.media.html import HTML
from wsgikit.media.json import JSON
from wsgikit.model_collection import ModelCollection
from wsgikit.security import SecurityHeaders
from wsgikit.sql import TableModel
from wsgikit.views import view

# Pages come from here, and from wsgikit where there is no template of that name.
media = [HTML(Path(__file__).resolve().parent / "templates"), JSON]


def of_department(request, model):
    """Narrow the model to the employees of the department in the URL."""
    return model.restrict(rows=employees.c.department == request.urlvars["department"])


@view(media=media)
def about(request):
    """Return what templates/about.html shows, and what programs get as JSON."""
    return {"host": request.host, "purpose": "Who works where."}


staff = TableModel(employees, engine)

dispatcher = Dispatcher(redirect_slashes=True)
dispatcher.add("/", Home(dispatcher, title="The company", media=media[:1]), name="home")
dispatcher.add("/about/", GET=about)
dispatcher.add(
    "/departments/[{id:key}][;{noun}]",
    ModelCollection(TableModel(departments, engine), media=media, title="Departments"),
    name="departments",
)
dispatcher.add(
    "/departments/{department:unreserved}/employees/[{id:key}][;{noun}]",
    ModelCollection(staff, media=media, policy=of_department, title="Employees"),
)
dispatcher.add(
    "/employees/[{id:key}][;{noun}]",
    ModelCollection(staff, media=media, title="Employees"),
    name="employees",
)

app = SecurityHeaders(dispatcher)
