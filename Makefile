# Everything that is done to this project, one target each; "make help" lists them.
# All that is needed is Go, and for "make race" a C compiler.

FUZZTIME  ?= 1m
BENCHTIME ?= 1s
TESTFLAGS ?=
E         ?= 10
ROUNDS    ?= 5
MODE      ?= iptables

# N is how many times as long, or how many services, by what it is given to.
TIMES       = $(or $(N),10)
SERVICES    = $(or $(N),10000)
ORACLE      = ./analyzer/trace/internal/oracle

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
PLATFORMS   = darwin/arm64 windows/amd64 linux/arm

# What a target needs of the tests is read from the tests, so that no list of
# them has to be kept here.
FUZZTARGETS = grep -rnoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sort
GOLDEN      = grep -rlE --include='*_test.go' 'flag\.Bool(Var)?\(.*"update"' . | xargs -r -n1 dirname | sort -u

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets (this text)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/svcpath
	CGO_ENABLED=0 go build -trimpath -o bin/svcpath ./cmd/svcpath

.PHONY: demo
demo: build ## build it and analyze the recording of the README
	bin/svcpath analyze sample:myth2-loadbalancer

.PHONY: test
test: ## vet and run every test, say what the kernel was asked (TESTFLAGS=-v for each test's name)
	go vet ./...
	go test $(TESTFLAGS) $$(go list ./... | grep -v '/internal/oracle$$')
	@mkdir -p dist
	@status=0; go test -v $(TESTFLAGS) $(ORACLE) >dist/oracle.log 2>&1 || status=$$?; \
	case "$$status $(TESTFLAGS)" in \
	"0 "*-v*|[!0]*) cat dist/oracle.log ;; \
	*) grep -E '^ok|--- SKIP|oracle: ' dist/oracle.log | sed 's/^ *[a-z_]*\.go:[0-9]*: //' ;; \
	esac; exit $$status

.PHONY: race
race: ## run every test under the race detector (needs a C compiler)
	go test -race $(TESTFLAGS) ./...

.PHONY: oracle
oracle: ## compare traces with the kernel, N=10 times as long as the tests do (needs root)
	SVCPATH_NO_SKIP=1 SVCPATH_ORACLE=$(TIMES) go test -count=1 -timeout 0 -v $(ORACLE)

.PHONY: lint
lint: ## check formatting, go.mod, vet, staticcheck
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then \
		echo "not formatted, run gofmt -w:"; echo "$$unformatted"; exit 1; fi
	go mod tidy -diff
	go vet ./...
	go run $(STATICCHECK) ./...

.PHONY: bench
bench: ## measure every stage, table into docs/performance.md (BENCHTIME=1s each)
	@mkdir -p dist
	go test -run '^$$' -bench Stages -benchmem -benchtime $(BENCHTIME) -timeout 60m ./analyzer | tee dist/bench.txt
	go test ./cmd/svcpath -count 1 -run '^TestPerformancePage$$' -args -bench $(CURDIR)/dist/bench.txt

.PHONY: bench-peers
bench-peers: ## compare with iptables-restore --test (N, E, ROUNDS; needs root)
	@mkdir -p dist
	SVCPATH_NO_SKIP=1 go test ./parsers/internal/kerneltest -count 1 -timeout 60m -run '^TestPeers$$' -v -args \
		-rounds $(ROUNDS) -services $(SERVICES) -endpoints $(E) | tee dist/peers.txt
	go test ./cmd/svcpath -count 1 -run '^TestPerformancePage$$' -args -peers $(CURDIR)/dist/peers.txt

.PHONY: bench-all
bench-all: ## run every benchmark there is (BENCHTIME=1s each)
	go test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./...

.PHONY: generate
generate: ## make up a node of N services with E endpoints each, into dist (MODE=ipvs, nftables)
	go test ./samples/generate -count 1 -run '^TestWriteRecording$$' -args \
		-services $(SERVICES) -endpoints $(E) -mode $(MODE) -dir $(CURDIR)/dist/$(SERVICES)x$(E)

.PHONY: fuzz
fuzz: ## run every fuzz target, FUZZTIME=1m each
	@$(FUZZTARGETS) | while IFS=: read -r file line func; do \
		name=$${func#func }; dir=$$(dirname "$$file"); \
		echo "$$name in $$dir, $(FUZZTIME)"; \
		go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) "$$dir" || exit 1; \
	done

.PHONY: golden
golden: ## rewrite the golden files from what the code prints now
	@for dir in $$($(GOLDEN)); do go test "$$dir" -update || exit 1; done

.PHONY: cover
cover: ## measure which lines the tests reach: dist/cover.html
	@mkdir -p dist
	go test -coverpkg=./... -coverprofile=dist/cover.out ./...
	go tool cover -html=dist/cover.out -o dist/cover.html
	@go tool cover -func=dist/cover.out | tail -n 1

.PHONY: cross
cross: ## build for macOS, Windows and Linux of 32 bits, into dist
	@for platform in $(PLATFORMS); do \
		os=$${platform%/*}; arch=$${platform#*/}; out=dist/svcpath-$$os-$$arch; \
		if [ $$os = windows ]; then out=$$out.exe; fi; \
		echo "$$out"; \
		CGO_ENABLED=0 GOOS=$$os GOARCH=$$arch go build -trimpath -o $$out ./cmd/svcpath || exit 1; \
	done

.PHONY: clean
clean: ## remove what the other targets have built
	rm -rf bin dist
