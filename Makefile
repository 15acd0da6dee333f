# The two commands of the README are `make test` and `ansible-playbook deploy.yml`.
PYTHON ?= python3
VENV := .venv
LINK := .collections/ansible_collections/modelfleet/serving

.PHONY: help setup link test lint units router lab docs changelog build demo demo-down clean

help:            ## Show this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## */\t/' | expand -t 12

setup: link $(VENV)/.complete   ## Make .venv with everything that developers and tests need

$(VENV)/.complete: tests/requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	touch $@

link:            ## Let Ansible find this checkout as the collection modelfleet.serving
	@mkdir -p $(dir $(LINK))
	@if [ -d $(LINK) ] && [ ! -L $(LINK) ]; then rm -rf .collections; mkdir -p $(dir $(LINK)); fi
	@ln -sfn ../../.. $(LINK)

test: setup      ## Run everything that can run here, and say what ran
	tests/run all

lint: setup      ## ansible-lint (profile production), ruff
	tests/run lint

units: setup     ## Unit tests of the collection
	tests/run units

router: setup    ## Tests of the router against real sockets
	tests/run router

lab: setup       ## Real hosts, real engines (as root)
	tests/run lab

docs: setup      ## Write the generated pages of docs/
	$(VENV)/bin/python tests/quality/generate_docs.py

changelog: setup ## Put the fragments of changelogs/ into CHANGELOG.md, under the version of galaxy.yml
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" antsibull-changelog release --update-existing --refresh

build: setup     ## The collection as a tarball in .generated/
	mkdir -p .generated && $(VENV)/bin/ansible-galaxy collection build --force --output-path .generated .

# Of the demo: PORT (and the one after it, for metrics), DEMO_WHEELS (a folder to install from where no package index can be reached).
demo:            ## Two replicas of a tiny model and the router on this machine, without root (PORT=8080)
	@PORT="$(PORT)" DEMO_WHEELS="$(DEMO_WHEELS)" $(PYTHON) -B -m demo.up

demo-down:       ## Stop the demo and remove what it made
	@$(PYTHON) -B -m demo.down

clean:           ## Remove what is generated
	rm -rf .collections .generated $(VENV)
