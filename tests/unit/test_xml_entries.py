"""Entries that are read by their form are those that the parser reads, whatever a page holds."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from awcopy import xml_entries
from awcopy.errors import ServerFault
from awcopy.sink.azure_xml import parse_blob_page
from awcopy.source.s3_listing import parse_list_page
from awcopy.xml_entries import _learn, _NotPlain, read_entries, read_parsed

AMAZON = (
    "<Contents><Key>a+b%0A</Key><LastModified>2026-11-22T17:00:00.000Z</LastModified><ETag>&quot;e-1&quot;</ETag>"
    "<ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><Size>5</Size>"
    "<Owner><ID>i</ID><DisplayName/></Owner><RestoreStatus><IsRestoreInProgress>false</IsRestoreInProgress>"
    "<RestoreExpiryDate>2026-12-24T00:00:00Z</RestoreExpiryDate></RestoreStatus><StorageClass>GLACIER</StorageClass>"
    "</Contents>"
)
AZURE = (
    "<Blob><Name>ä/&amp;b</Name><Properties><Last-Modified>Sun, 06 Nov 1994 08:49:37 GMT</Last-Modified>"
    "<Etag>0x8D</Etag><Content-Length>5</Content-Length><Content-Type>text/plain</Content-Type><Content-Encoding />"
    "<Content-MD5>AAAA</Content-MD5><Cache-Control></Cache-Control></Properties>"
    "<Metadata><Colour>blue</Colour><awcopy_etag>e</awcopy_etag><Empty/></Metadata><OrMetadata /></Blob>"
)
REFUSED = "refused"
SPACE = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def amazon(entries, *, attributes=SPACE, begin='<?xml version="1.0" encoding="UTF-8"?>\n', tail=""):
    head = f"{begin}<ListBucketResult{attributes}><Name>b</Name><EncodingType>url</EncodingType>"
    return f"{head}{entries}{tail}</ListBucketResult>".encode()


def azure(entries, *, begin='\ufeff<?xml version="1.0" encoding="utf-8"?>'):
    head = f'{begin}<EnumerationResults ContainerName="c"><Blobs>'
    return f"{head}{entries}</Blobs><NextMarker/></EnumerationResults>".encode()


def read(body):
    """Return what a page of either kind says, or that it is refused."""
    try:
        if b"EnumerationResults" in body:
            return parse_blob_page(body)
        return parse_list_page(body, token="")
    except ServerFault:
        return REFUSED


def by_parser(read_page, body):
    """Return what a page is to a function when no entry is read by its form."""

    def find_none(*_):
        raise xml_entries._NotPlain

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xml_entries, "_find_entries", find_none)
        return read_page(body)


def parsed_of(body, path):
    """Return the documents that had to be parsed to read a page."""
    given = []

    def note(document):
        given.append(document)
        root = ET.fromstring(document)
        space = root.tag.rpartition("}")
        return root, space[0] + space[1]

    read_entries(body, path, lambda _, name: name, note, lambda *_: lambda entry: entry)
    return given


def pretty(body):
    root = ET.fromstring(body)
    ET.indent(root)
    return ET.tostring(root, xml_declaration=True, encoding="utf-8")


@pytest.mark.parametrize(
    "body",
    [
        amazon(AMAZON * 3),
        amazon(AMAZON + AMAZON.replace("<Owner><ID>i</ID><DisplayName/></Owner>", "")),
        amazon(AMAZON.replace("a+b", "&#233;&lt;") * 2, attributes="", begin=""),
        amazon(AMAZON * 2, tail="<!-- a comment --><IsTruncated>false</IsTruncated>"),
        azure(AZURE * 3),
        azure(AZURE + AZURE.replace("Colour", "Color").replace("blue", "")),
        azure("\n  ".join(AZURE.replace("><", ">\n    <") for _ in range(3))),
        pretty(amazon(AMAZON * 3, attributes="")),
    ],
)
def test_plain_entries_are_read_without_the_parser(body):
    path = "Blobs/Blob" if b"<Blob>" in body else "Contents"
    [document] = parsed_of(body, path)
    assert len(document) < len(body) / 2
    assert read(body) == by_parser(read, body)
    assert read(body) != REFUSED


@pytest.mark.parametrize(
    "body",
    [
        amazon(f"<!-- {AMAZON} -->{AMAZON}"),
        amazon(f"{AMAZON}<!-- {AMAZON} -->"),
        amazon(f"{AMAZON}<!-- between -->{AMAZON}"),
        amazon(AMAZON.replace("a+b%0A", "<![CDATA[a<b]]>")),
        amazon(AMAZON.replace("a+b%0A", "a\r\nb")),
        amazon(AMAZON.replace("a+b%0A", "a>b")),
        amazon(AMAZON.replace("<ETag>", "<ETag of='it'>")),
        amazon(
            AMAZON.replace("<Key>", "<s3:Key>").replace("</Key>", "</s3:Key>"), attributes=" xmlns:s3='s'"
        ),
        amazon(AMAZON).replace(b"ListBucketResult", b"s3:ListBucketResult").replace(b"xmlns", b"xmlns:s3"),
        amazon(f"<Contents nr='0'>{AMAZON[10:]}{AMAZON}"),
        amazon(f"{AMAZON}<Contents nr='0'>{AMAZON[10:]}"),
        amazon(f"<More>{AMAZON}</More>{AMAZON}"),
        amazon(f"<More>{AMAZON}</More>"),
        amazon(f"{AMAZON}<CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes>{AMAZON}"),
        amazon(f"{AMAZON}<Contents/>{AMAZON}"),
        amazon(AMAZON.replace("</Key>", "\n</Key>").replace("<Key>", "<Key>\n")),
        amazon(AMAZON.replace("a+b%0A", "é"), begin="<?xml version='1.0' encoding='iso-8859-1'?>"),
        amazon("".join(AMAZON.replace("Owner", f"Owner{number}") for number in range(30))),
        azure(AZURE.replace("<Name>", '<Name Encoded="true">').replace("b<", "%01<") + AZURE),
        azure(f"{AZURE}<BlobPrefix><Name>p/</Name></BlobPrefix>{AZURE}"),
        azure(f"{AZURE}</Blobs><Blobs>{AZURE}"),
        azure(AZURE.replace("</Metadata>", "</Metadata><Metadata><Second>x</Second></Metadata>")),
    ],
)
def test_what_only_a_parser_can_read_is_read_by_one(body):
    assert read(body) == by_parser(read, body)


@pytest.mark.parametrize(
    "body",
    [
        amazon(AMAZON.replace("a+b%0A", "a&b")),
        amazon(AMAZON.replace("a+b%0A", "a&nbsp;b")),
        amazon(AMAZON.replace("a+b%0A", "a]]>b")),
        amazon(AMAZON.replace("a+b%0A", "a\x01b")),
        amazon(AMAZON.replace("a+b%0A", "a\uffffb")),
        amazon(AMAZON.replace("CRC32", "a&b")),
        amazon(AMAZON).replace(b"CRC32", b"\xff"),
        amazon(AMAZON, begin="\ufeff\ufeff"),
        amazon(AMAZON, begin="<?xml version='1.0' encoding='TF-8'?>"),
        amazon(AMAZON, begin="<?xml version='1.0' encoding='utf-7'?>"),
        amazon(AMAZON, begin="<?xml version='1.0' encoding='big5'?>"),
        amazon(AMAZON * 2)[:-30],
        amazon(AMAZON * 2 + AMAZON[:-12]),
        amazon(AMAZON.replace("</Owner>", "</Owned>")),
        azure(AZURE.replace("</Properties>", "") + AZURE),
        azure(AZURE.replace("</Blob>", "</Blob></Blob>")),
    ],
)
def test_what_a_parser_refuses_is_refused(body):
    assert (read(body), by_parser(read, body)) == (REFUSED, REFUSED)


TEXTS = st.one_of(
    st.sampled_from(
        [
            "",
            " ",
            "x",
            "5",
            "&quot;e&quot;",
            "&amp;quot;",
            "&#10;",
            "<![CDATA[<x>]]>",
            "<!-- -->",
            "a>b",
            "\r\n",
            "ü",
        ]
    ),
    st.text(max_size=4),
)
NAMES = st.sampled_from(
    ["Key", "Size", "ETag", "LastModified", "Name", "Properties", "Etag", "Metadata", "a.b-c", "Contents"]
)


@st.composite
def elements(draw, deep=2):
    name = draw(NAMES)
    inner = (
        draw(TEXTS)
        if deep == 0 or draw(st.booleans())
        else "".join(draw(st.lists(elements(deep - 1), max_size=3)))
    )
    tag = draw(st.sampled_from([name, name, name, f"{name} a='b'"]))
    return draw(
        st.sampled_from(
            [f"<{tag}>{inner}</{name}>", f"<{tag}>{inner}</{name}>\n", f"<{name} />", f"<{name}/>"]
        )
    )


@given(
    st.lists(st.lists(elements(), max_size=4).map("".join), max_size=4),
    st.integers(1, 3),
    st.sampled_from(["", "\n ", "<x/>", "<!-- -->"]),
)
def test_any_page_gives_the_same_entries(contents, times, between):
    entries = between.join(f"<Contents>{content}</Contents>" for content in contents for _ in range(times))
    body = f"<List>{entries}</List>".encode()
    assert everything(body) == by_parser(everything, body)


def everything(body):
    def parse_any(document):
        return ET.fromstring(document), ""

    try:
        return read_entries(
            body, "Contents", lambda _, name: name, parse_any, lambda *_: lambda entry: entry
        )[2]
    except ET.ParseError:
        return REFUSED


SNIPPETS = (
    b"|<|>|/|&|&amp;|]]>|<!--|-->|<Key>|</Key>|<Blob>|</Blob>|<Contents>|</Contents>|<?x?>|\r"
    b"|\n| |\0|\xff|\xef\xbf\xbf|x|'"
).split(b"|")


@given(st.sampled_from([amazon(AMAZON * 2), azure(AZURE * 2)]), st.data())
def test_any_damage_is_met_as_by_a_parser(page, data):
    begin = data.draw(st.integers(0, len(page)))
    end = data.draw(st.integers(begin, min(len(page), begin + 12)))
    body = page[:begin] + data.draw(st.sampled_from(SNIPPETS)) + page[end:]
    assert read(body) == by_parser(read, body)


@pytest.mark.parametrize(
    "inner",
    [
        "<a>" * 20_000,  # cut, or with all that is deeper
        "<a>" * 3_000 + "x" + "</a>" * 3_000,
        "".join(f"<a{number}>x</a{number}>" for number in range(20_000)),
        "<a>x</a>" + " " * 200_000 + "<b>x</b>",
    ],
    ids=["cut", "deep", "wide", "blank"],
)
def test_an_entry_that_no_store_writes_is_left_to_the_parser(inner):
    with pytest.raises(_NotPlain):
        _learn(f"<E><K>k</K>{inner}</E>", 0, "E", lambda holder, name: name)


def test_what_lies_deeper_than_entries_do_is_passed_over():
    document = f"<E>{'<a>' * 3_000}<K>k</K>{'</a>' * 3_000}<K>own</K></E>"
    assert read_parsed(ET.fromstring(document), "", lambda holder, name: name) == {"": {"K": "own"}}
