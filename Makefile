# Everything that is built or downloaded lies outside the checkout: ${XDG_CACHE_HOME:-~/.cache}/triplane.
# The state of the demo lies in ${XDG_STATE_HOME:-~/.local/state}/triplane/flights.
SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test check figures fmt generate clean-demo clean-cache

help: ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

setup: ## install what the other commands need: Debian packages, Python packages, MinIO, cargo-deny
	@scripts/bootstrap build python redis minio check

demo: ## the flights example on this machine; ONCE=1 ends after the first prediction, PORT=8080
	@ONCE=$(ONCE) PORT=$(PORT) scripts/demo

test: ## every test that needs no Kubernetes
	@scripts/test

check: ## formatting, lints, licences, generated files, size budgets
	@scripts/check

figures: ## rows, joins and predictions a second, CPU and memory, printed; PROFILE=release
	@PROFILE=$(PROFILE) scripts/figures

fmt: ## format Rust and Python
	@scripts/fmt

generate: ## write the generated files again: CRD YAML, reference
	@source scripts/env.sh && xtask generate

clean-demo: ## forget the demo: its data, rows and model
	rm -rf "$${XDG_STATE_HOME:-$$HOME/.local/state}/triplane/flights"

clean-cache: ## remove builds, tools and downloads
	rm -rf "$${XDG_CACHE_HOME:-$$HOME/.cache}/triplane"
