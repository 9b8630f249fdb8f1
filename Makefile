# The only entry. Go alone runs, builds and tests the product; what else a target
# needs stands beside it.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
GOFLAGS_BUILD = -trimpath -tags nomsgpack -ldflags "-s -w -X maestro/cli.version=$(VERSION)"
GOLANGCI = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
NFPM = github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.4
PEBBLE = github.com/letsencrypt/pebble/v2/cmd/pebble@v2.8.0
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.6.0

export CGO_ENABLED = 0

.PHONY: help run build test evaluate race races kill sweep upgrade postgres mutants lint vuln bench fuzz ui e2e bars screenshots picture demo openapi client freshcode fresh cover release packages container reproducible airgap swap acme vault backupbench clean

help: ## this list
	@sed -n 's/^\([a-z][a-z0-9]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

run: build ## serve on 127.0.0.1:8080, with sample data in a new data directory
	bin/maestro serve --demo

build: ## bin/maestro, one static file
	go build $(GOFLAGS_BUILD) -o bin/maestro .

test: ## everything the README promises, in under five minutes on two cores
	go test ./...

evaluate: build ## how well the predictor does on real histories (docs/predictor.md); seconds
	bin/maestro predict evaluate testdata/projects/desharnais.csv --target Effort --ignore Project,Length,YearEnd --categorical Language
	bin/maestro predict evaluate testdata/projects/maxwell.csv --target Effort --ignore Duration,Time,Syear
	bin/maestro predict evaluate testdata/projects/china.csv --target Effort --ignore ID,Duration,N_effort,PDR_AFP,PDR_UFP,NPDR_AFP,NPDU_UFP

race: export CGO_ENABLED = 1
race: ## the same tests under the race detector; needs a C compiler
	go test -race -timeout 45m ./...

kill: ## 50 times SIGKILL under 64 clients, and after logouts, rotations and new passwords; some minutes
	MAESTRO_KILL_ROUNDS=50 go test ./cli -run TestKill -count=1 -timeout 30m -v

races: ## 10 000 rounds of refreshes against the end of their session; a minute
	MAESTRO_RACE_ROUNDS=10000 go test ./server -run TestNoRefreshOutlives -count=1 -timeout 30m -v

sweep: ## an upgrade cut short at each of its writes; some minutes
	go test ./storage -run TestUpgrade -count=1 -timeout 60m -v -args -every-cut

upgrade: ## a pre-tenancy database of 3.3 million rows up, down and up again: rows/s, time, memory; some minutes
	go test ./storage -run TestUpgradeOfALargeDatabase -count=1 -timeout 60m -v -args -scale 1

POSTGRES_BIN ?= $(lastword $(sort $(wildcard /usr/lib/postgresql/*/bin)))
postgres: ## the import from PostgreSQL, out of a server of its own; needs its programs: apt-get install postgresql, or POSTGRES_BIN=/where/initdb/is
	@test -x "$(POSTGRES_BIN)/initdb" || { echo "there is no initdb: apt-get install postgresql, or say where it is with POSTGRES_BIN"; exit 1; }
	@dir=$$(mktemp -d); as=; if [ "$$(id -u)" = 0 ]; then as="runuser -u postgres --"; chown postgres $$dir; fi; \
	cd $$dir && $$as $(POSTGRES_BIN)/initdb -A trust -U maestro -D $$dir/data >$$dir/log \
		&& $$as $(POSTGRES_BIN)/pg_ctl -D $$dir/data -w -l $$dir/data/log -o "-c listen_addresses='' -c unix_socket_directories=$$dir" start >>$$dir/log \
		&& cd $(CURDIR) && MAESTRO_TEST_POSTGRES="postgres:///postgres?host=$$dir&user=maestro" go test ./storage -run TestImportFromPostgres -count=1 -v; \
	status=$$?; cd $(CURDIR); [ $$status = 0 ] || cat $$dir/log; $$as $(POSTGRES_BIN)/pg_ctl -D $$dir/data -m fast -w stop >/dev/null; rm -rf $$dir; exit $$status

MUTANTS ?= all
mutants: ## drop the tenant of one SQL statement after the other; each must fail a test. Minutes; MUTANTS=20 draws some, MUTANTS=selectProject names them; needs go alone
	MAESTRO_MUTANTS=$(MUTANTS) go test ./storage -run TestEveryMutantIsKilled -count=1 -timeout 2h -v

lint: ## fetches the linters as Go modules
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "run gofmt -w on these"; exit 1; }
	go vet ./...
	cd bench && GOOS=linux go vet ./... # it measures on Linux alone
	go run $(GOLANGCI) run ./...

vuln: ## known vulnerabilities; VULNDB=file:///… for a database without a network
	go run $(GOVULNCHECK) $(if $(VULNDB),-db $(VULNDB)) ./...

bench: ## rates against bare gin, the engine alone and PocketBase; some minutes, loopback only
	cd bench && go run . $(BENCHFLAGS)

FUZZTIME ?= 30s
fuzz: ## every fuzz target in turn, FUZZTIME each
	@grep -rlE '^func Fuzz' --include='*_test.go' . | grep -v '^./bench/' | while read file; do \
		for target in $$(grep -oE '^func Fuzz[A-Za-z0-9_]+' $$file | cut -c6-); do \
			echo "$$target in $$(dirname $$file)"; go test $$(dirname $$file) -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) || exit 1; \
		done; done

ui: ## embed/dist from embed/ui; needs Node 20
	cd embed/ui && npm ci --no-audit --no-fund && npm run build

e2e: build ## the web UI in a real Chromium; needs Node 20 and /usr/bin/chromium
	cd embed/ui && npm ci --no-audit --no-fund && npm run e2e

bars: build ## the web UI on 100 000 projects and 500 000 artifacts; some minutes, 2 GB under BARS_DATA or a directory of its own
	cd bench && go build -o ../bin/fill ./fill
	cd embed/ui && npm ci --no-audit --no-fund && MAESTRO_FILL=../../bin/fill timeout 20m node e2e/bars.js

screenshots: build ## every screen of the web UI, in both themes and three widths, into embed/ui/e2e/screenshots
	cd embed/ui && npm ci --no-audit --no-fund && npm run screenshots

picture: build ## the README's picture, of the sample data, into docs/home.png
	cd embed/ui && npm ci --no-audit --no-fund && npm run picture

demo: build ## fill a running server with three tenants of real projects
	bin/maestro demo

openapi: ## server/openapi.json as the routes say it
	go test ./server -run TestTheCommittedDocument -update

client: openapi ## the Go client of that document
	go generate ./client

freshcode: client ## fresh without the web UI; needs no Node
	go test ./cli -run TestTheManualListsEveryOption
	@test -z "$$(git status --porcelain -- server/openapi.json client)" || { git status --short -- server/openapi.json client; exit 1; }

fresh: freshcode ui ## fails when a generated file is not what its sources make: embed/dist and dist.sum too
	@test -z "$$(git status --porcelain -- embed)" || { git status --short -- embed; exit 1; }

cover: ## coverage.out, and the share of the statements that the tests run
	go test -coverprofile=coverage.out -coverpkg=./... ./...
	go tool cover -func=coverage.out | tail -1

PLATFORMS = linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
# What is built does not depend on where, nor on what the directory is called.
GOFLAGS_RELEASE = -trimpath -buildvcs=false -tags nomsgpack -ldflags "-s -w -buildid= -X maestro/cli.version=$(VERSION)"

release: ## dist: static binaries of every platform, a bill of materials each, and checksums
	rm -rf dist && mkdir dist
	go build -o dist/sbom ./packaging/sbom
	@set -e; for platform in $(PLATFORMS); do \
		os=$${platform%/*} arch=$${platform#*/}; suffix=; if [ $$os = windows ]; then suffix=.exe; fi; \
		file=dist/maestro_$(VERSION)_$${os}_$${arch}$$suffix; echo $$file; \
		GOOS=$$os GOARCH=$$arch go build $(GOFLAGS_RELEASE) -o $$file .; \
		dist/sbom $$file $(VERSION) > $$file.cdx.json; \
	done; rm dist/sbom
	cd dist && sha256sum maestro_* > SHA256SUMS

# What is not tagged comes before every release.
PACKAGE_VERSION = $(if $(filter v%,$(VERSION)),$(patsubst v%,%,$(VERSION)),0.0.0~$(VERSION))

packages: ## deb and rpm of what make release built; fetches nfpm as a Go module
	go run $(GOFLAGS_RELEASE) . man > dist/maestro.1 && gzip -9 -n -f dist/maestro.1
	@set -e; for arch in amd64 arm64; do for kind in deb rpm; do \
		ARCH=$$arch VERSION=$(VERSION) PACKAGE_VERSION=$(PACKAGE_VERSION) SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) \
			go run $(NFPM) package --config packaging/nfpm.yaml --packager $$kind --target dist/; \
	done; done
	cd dist && sha256sum maestro_* *.rpm > SHA256SUMS

# podman and buildah keep a health check in docker's format alone.
CONTAINER ?= podman
container: ## an image of what make release built; needs podman, or CONTAINER=docker or buildah
	rm -rf dist/container && mkdir -p dist/container/data
	cp dist/maestro_$(VERSION)_linux_amd64 dist/container/maestro_linux_amd64
	cp dist/maestro_$(VERSION)_linux_arm64 dist/container/maestro_linux_arm64
	$(CONTAINER) build $(if $(filter-out docker,$(CONTAINER)),--format docker) --file packaging/Containerfile --build-arg TARGETARCH=$$(go env GOARCH) --tag maestro:$(VERSION) dist/container

reproducible: ## builds the commit twice, elsewhere and without a cache, and compares every byte; minutes
	@set -e; first=$$(mktemp -d) second=$$(mktemp -d)/another/place; mkdir -p $$second; \
	for dir in $$first $$second; do \
		git archive HEAD | tar x -C $$dir; cache=$$(mktemp -d); \
		(cd $$dir && GOCACHE=$$cache go build $(GOFLAGS_RELEASE) -o maestro .); rm -rf $$cache; \
	done; \
	sha256sum $$first/maestro $$second/maestro; cmp $$first/maestro $$second/maestro && echo "byte for byte the same"; rm -rf $$first $$second

airgap: ## server, UI and CLI in a network without a way out, and nothing tries one; Linux
	MAESTRO_TEST_AIRGAP=1 go test ./cli -run TestNothingLeavesTheMachine -count=1 -v

swap: ## a new signing key every second, and new certificates under 200 requests/s, for a minute each; Unix
	MAESTRO_SWAP_SECONDS=60 go test ./cli -run 'TestKeysRotateUnderLoad|TestCertificatesAreSwapped' -count=1 -timeout 10m -v

acme: ## certificates from a real Pebble, which is fetched as a Go module; three minutes
	GOBIN=$(CURDIR)/bin go install $(PEBBLE)
	MAESTRO_TEST_PEBBLE=$(CURDIR)/bin/pebble go test ./cli -run TestACME -count=1 -v

vault: ## secrets from a real Vault in its development mode; needs its program: MAESTRO_TEST_VAULT=/where/bao or vault
	@test -x "$(MAESTRO_TEST_VAULT)" || { echo "there is no program to try: MAESTRO_TEST_VAULT=/where/bao or vault is"; exit 1; }
	MAESTRO_TEST_VAULT=$(abspath $(MAESTRO_TEST_VAULT)) go test ./secrets -run TestTheRealVault -count=1 -v

backupbench: ## a backup of 1.3 GB under 200 writes a second, and how long they took; fails above 50 ms; minutes
	MAESTRO_BACKUP_BYTES=1000000000 go test ./storage -run "^$$" -bench BackupUnderWrites -benchtime 1x -timeout 30m

clean:
	rm -rf bin dist
