# The only entry. Go alone runs, builds and tests the product; what else a target
# needs stands beside it.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
GOFLAGS_BUILD = -trimpath -tags nomsgpack -ldflags "-s -w -X maestro/cli.version=$(VERSION)"
GOLANGCI = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.6.0

export CGO_ENABLED = 0

.PHONY: run build test evaluate race races kill sweep upgrade mutants lint vuln bench fuzz ui e2e bars screenshots demo openapi client clean

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
	go test -race -timeout 30m ./...

kill: ## 50 times SIGKILL under 64 clients, and after logouts, rotations and new passwords; some minutes
	MAESTRO_KILL_ROUNDS=50 go test ./cli -run TestKill -count=1 -timeout 30m -v

races: ## 10 000 rounds of refreshes against the end of their session; a minute
	MAESTRO_RACE_ROUNDS=10000 go test ./server -run TestNoRefreshOutlives -count=1 -timeout 30m -v

sweep: ## an upgrade cut short at each of its writes; some minutes
	go test ./storage -run TestUpgrade -count=1 -timeout 60m -v -args -every-cut

upgrade: ## a pre-tenancy database of 3.3 million rows up, down and up again: rows/s, time, memory; some minutes
	go test ./storage -run TestUpgradeOfALargeDatabase -count=1 -timeout 60m -v -args -scale 1

MUTANTS ?= all
mutants: ## drop the tenant of one SQL statement after the other; each must fail a test. Minutes; MUTANTS=20 draws some, MUTANTS=selectProject names them; needs go alone
	MAESTRO_MUTANTS=$(MUTANTS) go test ./storage -run TestEveryMutantIsKilled -count=1 -timeout 2h -v

lint: ## fetches the linters as Go modules
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "run gofmt -w on these"; exit 1; }
	go vet ./...
	cd bench && go vet ./...
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

demo: build ## fill a running server with three tenants of real projects
	bin/maestro demo

openapi: ## server/openapi.json as the routes say it
	go test ./server -run TestTheCommittedDocument -update

client: openapi ## the Go client of that document
	go generate ./client

clean:
	rm -rf bin
