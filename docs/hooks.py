"""Links of the pages to files outside docs/, which work on GitHub, work in the site, too."""

from pathlib import Path
import posixpath
import re

from mkdocs.structure.files import File, InclusionLevel

PAGES = ("../README.md", "../CONTRIBUTING.md", "../CHANGELOG.md")
SUFFIXES = {".md": ".html", "": ".txt"}
LINK = re.compile(r"\]\(([^):#\s]+)")


# Links to files outside docs/ stay as they are. MkDocs looks them up relative to docs/, so each
# such file is added under that name, `../<place>`, and the site has it at `<place>`.
def on_files(files, config):
    docs = Path(config.docs_dir)
    for page in (*PAGES, *(file.src_uri for file in files.documentation_pages())):
        for link in (posixpath.basename(page), *LINK.findall((docs / page).read_text("utf-8"))):
            name = posixpath.normpath(posixpath.join(posixpath.dirname(page), link))
            outside = name.startswith("../") and not name.startswith("../docs/")
            if outside and name not in files.src_uris and (docs / name).is_file():
                place = Path(name[3:])
                place = place.with_suffix(SUFFIXES.get(place.suffix, place.suffix)).as_posix()
                files.append(File(name, config.docs_dir, config.site_dir, False, dest_uri=place,
                                  inclusion=InclusionLevel.INCLUDED))


def on_page_markdown(markdown, page, **_):
    if page.file.src_uri in PAGES:  # links into docs/; badges are images on other hosts
        return re.sub(r"^\[!\[.*\n", "", markdown.replace("](docs/", "](/"), flags=re.MULTILINE)


def on_page_content(html, **_):
    return re.sub(r"(?<=[> ])--[\w-]+", r'<span class="flag">\g<0></span>', html)
