"""wsgikit.media.forms: what a form sends, and what is refused."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from wsgiref.validate import validator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webob import Request, Response
from webob.dec import wsgify
from webob.exc import HTTPException, HTTPRequestEntityTooLarge

from wsgikit.media import Form, MediaType, ParseError, Upload, accepted, parse_body
from wsgikit.media.forms import FormParser

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=B"
FORM = MediaType(URLENCODED, parser=FormParser())


@wsgify
def echo(request: Request) -> Response:
    return Response(text=repr(parse_body(request, FORM)))


def send(body: bytes, content_type: str = URLENCODED) -> Response:
    request = Request.blank("/", method="POST", content_type=content_type, body=body)
    response = request.get_response(validator(echo))
    assert response.body is not None  # WebOb closes what it has read
    return response


def parse(body: bytes, content_type: str = URLENCODED, parser: Any = FORM.parser) -> Form:
    request = Request.blank("/", method="POST", content_type=content_type, body=body)
    form = parser(request)
    assert type(form) is Form
    return form


def part(*lines: str, data: bytes = b"x", disposition: str = 'form-data; name="a"') -> bytes:
    head = [f"Content-Disposition: {disposition}"] if disposition else []
    return "\r\n".join([*head, *lines]).encode() + b"\r\n\r\n" + data


def multipart(*parts: bytes, end: bytes = b"\r\n") -> bytes:
    return b"".join(b"--B\r\n" + part + b"\r\n" for part in parts) + b"--B--" + end


# -- urlencoded ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "form"),
    [
        (b"", {}),
        (b"a=1&b=2", {"a": "1", "b": "2"}),
        (b"a=1&b=2&a=3", {"a": ["1", "3"], "b": "2"}),
        (b"a=&b", {"a": "", "b": ""}),
        (b"a=1&&b=2&", {"a": "1", "b": "2"}),
        (b"=1", {"": "1"}),
        (b"a=b=c;d", {"a": "b=c;d"}),
        (b"a+b=c+d%2B", {"a b": "c d+"}),
        (b"a=%C3%AB\xc3\xab", {"a": "\xeb\xeb"}),
        (b"a=1%0D%0A2%0A", {"a": "1\r\n2\n"}),
        (b"a=%00", {"a": "\0"}),
        (b"a=%25zz", {"a": "%zz"}),
        (b"_method=PUT", {"_method": "PUT"}),
    ],
)
def test_fields_are_left_as_sent(body: bytes, form: dict[str, Any]) -> None:
    assert parse(body) == form


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"a=%zz", "two hex digits"),
        (b"a=%", "two hex digits"),
        (b"%4=b", "two hex digits"),
        (b"a=%ff", "The form is not UTF-8"),
        (b"%C3=b%AB", "The form is not UTF-8"),
        (b"a=\xff", "not UTF-8 at byte 3"),
        (b"a=\xc3%AB", "not UTF-8 at byte 3"),
        (b"a=%ED%A0%80", "The form is not UTF-8"),
    ],
)
def test_a_form_that_cannot_be_read_is_400(body: bytes, sentence: str) -> None:
    response = send(body)
    assert response.status_int == 400
    assert sentence in response.text


def test_fields_and_bytes_are_limited() -> None:
    assert len(parse(b"&".join(b"a%d=" % number for number in range(1000)))) == 1000
    assert send(b"&".join(b"a%d=" % number for number in range(1001))).status_int == 413
    assert send(b"&" * 1_000_000).status_int == 413
    assert send(b"a=" + b"b" * (2**20 - 2)).status_int == 200
    assert send(b"a=" + b"b" * (2**20 - 1)).status_int == 413


def test_the_limits_are_arguments() -> None:
    parser = FormParser(limit=200, max_fields=1, max_parts=1)
    assert parse(b"a=1", URLENCODED, parser) == {"a": "1"}
    assert parse(multipart(part()), MULTIPART, parser) == {"a": "x"}
    for body, content_type in [
        (b"a=1&b=2", URLENCODED),
        (multipart(part(), part()), MULTIPART),
        (b" " * 201, URLENCODED),
        (multipart(part(data=b"x" * 200)), MULTIPART),
    ]:
        with pytest.raises(HTTPRequestEntityTooLarge):
            parse(body, content_type, parser)


@given(st.lists(st.tuples(st.text(min_size=1), st.text())))
def test_what_a_form_encodes_is_what_is_read(fields: list[tuple[str, str]]) -> None:
    expected: dict[str, Any] = {}
    for name, value in fields:
        expected.setdefault(name, []).append(value)
    form = parse(urlencode(fields).encode())
    assert {name: value if type(value) is list else [value] for name, value in form.items()} == (
        expected
    )


# -- multipart -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "form"),
    [
        ([], {}),
        ([part()], {"a": "x"}),
        ([part(data=b"")], {"a": ""}),
        ([part(data=b"\xc3\xab\r\n--\n")], {"a": "\xeb\r\n--\n"}),
        ([part(data=b"1"), part(data=b"2")], {"a": ["1", "2"]}),
        ([part(disposition='form-data; name=""')], {"": "x"}),
        ([part(disposition="form-data; name=a")], {"a": "x"}),
        ([part(disposition="Form-Data; Name=a ")], {"a": "x"}),
        (
            [part(disposition='form-data; name="\xeb %22; name=%0D%0A%41"')],
            {'\xeb "; name=\r\n%41': "x"},
        ),
        ([part("Content-Type: text/plain; charset=UTF-8")], {"a": "x"}),
        ([part("content-type: application/json")], {"a": "x"}),
        ([part("Content-Type:")], {"a": "x"}),
        ([part("Content-Transfer-Encoding: 8bit", "X-Other: y")], {"a": "x"}),
        ([part("Content-Length: 1")], {"a": "x"}),
    ],
)
def test_parts_without_a_filename_are_fields(parts: list[bytes], form: dict[str, Any]) -> None:
    assert parse(multipart(*parts), MULTIPART) == form
    assert parse(multipart(*parts, end=b""), MULTIPART) == form


@pytest.mark.parametrize(
    ("filename", "read"),
    [
        ('"a.txt"', "a.txt"),
        ("a.txt", "a.txt"),
        ('"\xeb%22.txt"', '\xeb".txt'),
        ('"../../etc/passwd"', "passwd"),
        ('"C:\\Users\\me\\a.txt"', "a.txt"),
        ('"dir\\a.txt"', "a.txt"),
        ('".."', ".."),
        ('""', ""),
    ],
)
def test_a_part_with_a_filename_is_an_upload(filename: str, read: str) -> None:
    data = b"\xff\0\r\n--C"
    disposition = f'form-data; name="a"; filename={filename}'
    body = multipart(part("Content-Type: image/png; a=b", data=data, disposition=disposition))
    assert parse(body, MULTIPART) == {"a": Upload(read, "image/png; a=b", data)}


def test_an_upload_has_a_type_even_when_none_was_sent() -> None:
    body = multipart(part(disposition='form-data; filename="b"; name="a"', data=b""))
    assert parse(body, MULTIPART) == {"a": Upload("b", "application/octet-stream", b"")}
    body = multipart(
        part(
            "Content-Type: text/plain; charset=latin-1",
            disposition='form-data; name="a"; filename="b"',
            data=b"\xff",
        )
    )
    assert parse(body, MULTIPART) == {"a": Upload("b", "text/plain; charset=latin-1", b"\xff")}


def test_a_file_input_without_a_file_is_left_out() -> None:
    empty = part(
        "Content-Type: application/octet-stream",
        disposition='form-data; name="a"; filename=""',
        data=b"",
    )
    assert parse(multipart(empty, part(disposition='form-data; name="b"')), MULTIPART) == {"b": "x"}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"\r\n" + multipart(part()), {"a": "x"}),
        (b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n--B--', {"a": ""}),
        (
            b'--B\r\nContent-Disposition: form-data; name="a"\r\nContent-Type: text/plain\r\n\r\n'
            b'--B\r\nContent-Disposition: form-data; name="b"\r\n\r\n\r\n\r\n--B--\r\n',
            {"a": "", "b": "\r\n"},
        ),
        (multipart(part(data=b"")), {"a": ""}),
        (multipart(part(data=b"\r\n")), {"a": "\r\n"}),
        (multipart(part(data=b"\r\nx: y\r\n")), {"a": "\r\nx: y\r\n"}),
    ],
)
def test_a_part_may_have_no_body_and_the_first_boundary_its_own_line(
    body: bytes, fields: dict[str, str]
) -> None:
    assert parse(body, MULTIPART) == fields


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "does not begin with its boundary"),
        (b"a=1", "does not begin with its boundary"),
        (b"\r\n\r\n" + multipart(part()), "does not begin with its boundary"),
        (b"hello\r\n" + multipart(part()), "does not begin with its boundary"),
        (multipart(part())[:-4], "cannot be read"),
        (multipart(part())[:-9], "cannot be read"),
        (b"--B\r\n", "cannot be read"),
        (b"--B", "cannot be read"),
        (b"--B\n", "cannot be read"),
        (b"--Bx\r\n", "cannot be read"),
        (multipart(part(), end=b"\r\n\r\n"), "goes on after its last boundary"),
        (multipart(part()) + multipart(part()), "goes on after its last boundary"),
        (multipart(end=b" ") + multipart(part()), "goes on after its last boundary"),
        (multipart(part(disposition="")), "Missing Content-Disposition"),
        (multipart(part(disposition="attachment; name=a")), "Wrong type"),
        (multipart(part(disposition="form-data")), "Missing name"),
        (multipart(part(disposition="form-data; name=\xeb")), "cannot be read"),
        (multipart(part(disposition="form-data; name=a\xeb")), "not like: form-data; name"),
        (multipart(part(disposition='form-data; name="a"; name="b"')), "not like"),
        (
            multipart(part(disposition='form-data; name="a"; filename="b"; filename="c"')),
            "not like",
        ),
        (multipart(part(disposition="form-data; name=a; filename*=utf-8''b")), "not like"),
        (multipart(part(disposition='form-data; name="a\\"b"')), "not like"),
        (multipart(part(disposition='form-data; name="a\\"; filename="b"')), "not like"),
        (multipart(part(disposition='form-data; name="a" filename="b"')), "not like"),
        (multipart(part(disposition='form-data; name="a"; x')), "not like"),
        (multipart(part('Content-Disposition: form-data; name="b"')), "has a header twice"),
        (multipart(part("Content-Type: a/b", "content-type: a/c")), "has a header twice"),
        (multipart(part("Content-Type: text")), "not like type/subtype"),
        (multipart(part("Content-Type: text/plain; charset=latin-1")), "'a' is not in UTF-8"),
        (multipart(part("Content-Type: multipart/mixed; boundary=C")), "'a' holds parts"),
        (multipart(part("Content-Transfer-Encoding: base64")), "'a' is encoded"),
        (multipart(part("Content-Length: 2")), "cannot be read"),
        (multipart(part("no colon")), "Malformed segment header"),
        (multipart(part("X: a", " folded")), "header continuation"),
        (multipart(part("X: a\nb")), "control character"),
        (multipart(part("Content-Type: text/plain\r")), "control character"),
        (multipart(part(disposition='form-data; name="a\0"')), "control character"),
        (multipart(part(data=b"\xff")), "'a' is not UTF-8 at byte 1"),
        (multipart(b"\xff: a\r\n\r\n"), "cannot be read"),
    ],
)
def test_a_multipart_form_that_cannot_be_read_is_400(body: bytes, sentence: str) -> None:
    with pytest.raises(ParseError, match=re.escape(sentence)):
        parse(body, MULTIPART)
    assert send(body, MULTIPART).status_int == 400


@pytest.mark.parametrize("boundary", ["", '""', '"\n"', "B" * 2000, "C"])
def test_a_boundary_that_is_none_is_400(boundary: str) -> None:
    assert send(multipart(part()), "multipart/form-data").status_int == 400
    body = multipart(part()) if len(boundary) < 9 else b"--" + boundary.encode()
    response = send(body, f"multipart/form-data; boundary={boundary}")
    assert response.status_int in (400, 415)


def test_parts_and_their_headers_are_limited() -> None:
    assert len(parse(multipart(*[part()] * 128), MULTIPART)["a"]) == 128
    assert send(multipart(*[part()] * 129), MULTIPART).status_int == 413
    assert send(multipart(part(*["X: y"] * 20)), MULTIPART).status_int == 413
    assert send(multipart(part("X: " + "y" * 5000)), MULTIPART).status_int == 413


def test_a_multipart_form_cut_anywhere_is_refused() -> None:
    body = multipart(part(), part(disposition='form-data; name="b"; filename="c"', data=b"abc"))
    whole = len(body) - len(b"\r\n")
    for length in range(whole):
        assert send(body[:length], MULTIPART).status_int == 400
    assert send(body[:whole], MULTIPART).text == send(body, MULTIPART).text


def test_other_types_are_not_read() -> None:
    assert send(b"a=1", "text/plain").status_int == 415
    assert send(b"a=1", URLENCODED + "; charset=latin-1").status_int == 415
    assert send(b"a=1", URLENCODED + "; charset=UTF-8").status_int == 200
    assert send(b"a=1", "text/plain").headers["Accept-Post"] == (
        "application/x-www-form-urlencoded, multipart/form-data"
    )
    with pytest.raises(ParseError, match="Not a form: text/plain"):
        parse(b"a=1", "text/plain")


# Without escapes of its own: what browsers send for %22 cannot be told from a quote.
names = st.text(
    st.characters(codec="utf-8", exclude_characters="%\\", min_codepoint=32), max_size=20
)
names = names.map(lambda name: name.replace("\x7f", "\r\n"))
contents = st.binary().filter(lambda data: b"\r\n--B" not in data)


@given(st.dictionaries(names, contents))
def test_what_a_browser_encodes_is_what_is_read(files: dict[str, bytes]) -> None:
    """WHATWG HTML, "multipart form data": names escape only line breaks and quotes."""
    parts = []
    for name, data in files.items():
        spelt = name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
        parts.append(part(disposition=f'form-data; name="{spelt}"; filename="f"', data=data))
    expected = {name: Upload("f", "application/octet-stream", files[name]) for name in files}
    assert parse(multipart(*parts), MULTIPART) == expected


@given(
    st.binary() | st.text(st.sampled_from("ab=&%+12f\xeb")).map(str.encode),
    st.sampled_from([URLENCODED, MULTIPART]) | st.text(st.characters(max_codepoint=255)),
)
def test_any_body_and_type_gets_an_answer(body: bytes, content_type: str) -> None:
    request = Request.blank("/", method="POST", body=body)
    request.environ["CONTENT_TYPE"] = content_type
    statuses = [200]
    try:
        parse_body(request, FORM)
    except HTTPException as error:
        statuses = [error.wsgi_response.status_int]
    assert statuses[0] in (200, 400, 413, 415)


words = (
    b"--B --B-- Content-Disposition: form-data; Content-Type: text/plain Content-Length: 3".split()
)
symbols = [
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b"; ",
    b'"',
    b"\\",
    b"=",
    b"*",
    b"x",
    b"\0",
    b"\xff",
    b"\xc3\xab",
]
pieces = st.sampled_from([*words, *symbols, b'name="a"', b'filename="', b"charset=", b"%22"])


@given(st.lists(pieces, max_size=60).map(b"".join), st.booleans())
def test_anything_near_a_multipart_form_gets_an_answer(body: bytes, framed: bool) -> None:
    assert send(multipart(body) if framed else body, MULTIPART).status_int in (200, 400, 413)


def test_importing_it_loads_neither_sqlalchemy_genshi_nor_msgspec() -> None:
    code = "import sys, wsgikit.media.forms; print(sorted(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    for module in ("sqlalchemy", "genshi", "msgspec", "wsgikit.media.json"):
        assert f"'{module}'" not in run.stdout


def test_a_form_is_no_query() -> None:
    assert accepted(FORM, "POST") == accepted(FORM, "PUT") == FORM.content_types
    assert accepted(FORM, "QUERY") == ()
