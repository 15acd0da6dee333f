"""What users read is current: generated pages, variables, links, and the names that the pages use."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "roles/*/README.md", "router/*.md", "demo/*.md", "tests/lab/README.md")
    for path in ROOT.glob(pattern)
)
OF_THE_REPOSITORY = re.compile(r"https://github\.com/modelfleet/modelfleet/(?:blob|tree)/main/")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def defaults():
    return yaml.safe_load((ROOT / "roles/fleet/defaults/main.yml").read_text())


def options(role):
    (entry,) = yaml.safe_load((ROOT / "roles" / role / "meta/argument_specs.yml").read_text())["argument_specs"].values()
    return entry["options"]


def test_generated_pages_are_current():
    result = subprocess.run(
        [sys.executable, ROOT / "tests/quality/generate_docs.py", "--check"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert result.returncode == 0, result.stdout


def test_every_variable_has_a_default_or_is_required_and_is_specified():
    specified = options("fleet")
    assert set(defaults()) == {name for name, option in specified.items() if not option.get("required")}


@pytest.mark.parametrize("role", sorted(path.parts[-3] for path in ROOT.glob("roles/*/meta/argument_specs.yml")))
def test_roles_take_the_variables_of_the_fleet_and_their_own(role):
    known = options("fleet")
    for name, option in options(role).items():
        assert name in known or name.startswith(role + "_"), "%s of the role %s is no variable of the fleet" % (name, role)
        if name in known:
            assert option["type"] == known[name]["type"], name


def anchors(page):
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", page.read_text()), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    text = re.sub(r"`[^`\n]*`", "", FENCED.sub("", page.read_text()))
    for target in re.findall(r"\]\(<?([^)>\s]+)>?\)", text):
        inside = OF_THE_REPOSITORY.match(target)
        if "://" in target and not inside:
            continue
        path, _hash, anchor = (target[inside.end() :] if inside else target).partition("#")
        file = ROOT / path if inside else page.parent / path if path else page
        assert file.exists(), "%s: %s does not exist" % (page.name, target)
        assert not anchor or anchor in anchors(file), "%s: %s has no heading for #%s" % (page.name, file.name, anchor)


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent.name != "modules"], ids=lambda page: page.relative_to(ROOT).as_posix())
def test_variables_and_playbooks_that_a_page_names_exist(page):
    text = page.read_text()
    known = set(options("fleet")) | {"modelfleet_router"}                    # the router's package
    named = {word for word in re.findall(r"(?<![\w/.-])modelfleet_[a-z_]+\b(?![*_])", text)}
    assert named <= known
    for playbook in set(re.findall(r"\bplaybooks/\w+\.yml", text)):
        assert (ROOT / playbook).exists(), playbook


def test_every_page_of_docs_can_be_found_from_its_index():
    text = (ROOT / "docs/README.md").read_text()
    for page in ROOT.glob("docs/*.md"):
        assert page.name == "README.md" or "(%s)" % page.name in text, "docs/README.md does not link %s" % page.name


def test_the_changelog_is_that_of_this_version():
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    released = yaml.safe_load((ROOT / "changelogs/changelog.yaml").read_text())["releases"]
    assert version in released
    assert "\n## v%s\n" % version.replace(".", "\\.") in (ROOT / "CHANGELOG.md").read_text()
