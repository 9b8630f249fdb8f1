package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/constant"
	"go/types"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"maestro/tenancy"
)

// mutant is a statement, or all statements of a list, without the condition that
// binds its tenant.
type mutant struct {
	name string // of the constant or list
	text string // the statement; of a list, empty
	list *listing
}

// boundTenant finds the conditions that are dropped. Their arguments stay bound.
var boundTenant = regexp.MustCompile(`(?:\w+\.)?\btenant_id = (\$\d+)`)

// mutation is what a build for mutants has beside the package's own files. The
// environment says which statements lose their tenant.
const mutation = `package storage

import (
	"os"
	"regexp"
	"strings"
)

var (
	mutantText, mutantColumns, mutantTable, reached = os.Getenv("MUTANT_TEXT"), os.Getenv("MUTANT_COLUMNS"), os.Getenv("MUTANT_TABLE"), os.Getenv("MUTANT_REACHED")
	boundTenantOf = regexp.MustCompile(` + "`" + `(?:\w+\.)?\btenant_id = (\$\d+)` + "`" + `)
)

func mutated(text string) string {
	isList := mutantColumns != "" && strings.HasPrefix(text, "SELECT ") && strings.Contains(text, mutantColumns) &&
		strings.Contains(text, " FROM "+mutantTable+" WHERE tenant_id = $1") && strings.Contains(text, " LIMIT $")
	if text != mutantText && !isList {
		return text
	}
	if err := os.WriteFile(reached, nil, 0o600); err != nil {
		panic(err)
	}
	return boundTenantOf.ReplaceAllString(text, "$1 IS NOT NULL")
}
`

// TestEveryMutantIsKilled drops the tenant from one statement after the other and
// runs the tests of isolation against each such program: the matrix of the server
// first, and where that passes the tests of this package. A mutant that passes
// both is named. It runs where MAESTRO_MUTANTS says how many, drawn by chance, or
// all, or their names (make mutants); it needs some minutes and the go command.
func TestEveryMutantIsKilled(t *testing.T) {
	asked := os.Getenv("MAESTRO_MUTANTS")
	if asked == "" {
		t.Skip("MAESTRO_MUTANTS says how many statements lose their tenant, or all, or which")
	}
	mutants := statementMutants(t)
	if n, err := strconv.Atoi(asked); err == nil {
		rand.Shuffle(len(mutants), func(i, j int) { mutants[i], mutants[j] = mutants[j], mutants[i] })
		mutants = mutants[:min(n, len(mutants))]
	} else if asked != "all" {
		names := strings.Split(asked, ",")
		mutants = slices.DeleteFunc(mutants, func(m mutant) bool { return !slices.Contains(names, m.name) })
		if len(mutants) != len(names) {
			t.Fatalf("MAESTRO_MUTANTS is %q, neither a number nor all nor names of statements", asked)
		}
	}
	dir := t.TempDir()
	programs := buildMutants(t, dir)
	for _, p := range programs {
		if killer, _ := p.run(t, mutant{}, filepath.Join(dir, "none")); killer != "" {
			t.Fatalf("%s of %s fails without a mutant", killer, p.room)
		}
	}
	var mu sync.Mutex
	var names [3][]string // of the killed, by program, and of those that live
	next := make(chan int)
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			for i := range next {
				m, killer, by, reached := mutants[i], len(programs), "", false
				for j, p := range programs {
					failed, ran := p.run(t, m, filepath.Join(dir, fmt.Sprint("reached-", i, "-", j)))
					if reached = reached || ran; failed != "" {
						killer, by = j, failed
						break
					}
				}
				mu.Lock()
				names[killer] = append(names[killer], m.name)
				if by != "" {
					t.Logf("%s: killed by %s", m.name, by)
				} else {
					t.Errorf("%s lives without its tenant (run by a test: %v): %s", m.name, reached, m.shown())
				}
				mu.Unlock()
			}
		})
	}
	start := time.Now()
	for i := range mutants {
		next <- i
	}
	close(next)
	workers.Wait()
	t.Logf("%d mutants in %v: %d killed by the matrix, %d by the tests of storage, %d live: %v", len(mutants),
		time.Since(start).Round(time.Second), len(names[0]), len(names[1]), len(names[2]), names[2])
}

// TestMutantsAreStatements compiles every mutant: one that SQLite refuses would be
// killed by any test.
func TestMutantsAreStatements(t *testing.T) {
	s := openStore(t)
	for _, m := range statementMutants(t) {
		if m.list != nil {
			m.text, _ = m.list.statement(tenancy.ID{}, look{filters: fixed(m.list)}, m.list.sorts[m.list.sortNames()[0]], true, nil, 50)
		}
		if mutated := boundTenant.ReplaceAllString(m.text, "$1 IS NOT NULL"); mutated == m.text || queryPlan(t, s, mutated, strings.Count(m.text, "$")) == "" {
			t.Errorf("%s is no mutant: %s", m.name, mutated)
		}
	}
}

func (m *mutant) shown() string {
	if m.list != nil {
		return "every page of " + m.list.from
	}
	return strings.Join(strings.Fields(m.text), " ")
}

// statementMutants are the mutants of every statement with a tenant.
func statementMutants(t *testing.T) (mutants []mutant) {
	t.Helper()
	source, _, _ := sourcePackage(t)
	names := map[string]string{}
	for _, name := range source.Scope().Names() {
		if c, ok := source.Scope().Lookup(name).(*types.Const); ok && c.Val().Kind() == constant.String {
			names[constant.StringVal(c.Val())] = name
		}
	}
	for _, text := range sourceStatements(t) {
		if !boundTenant.MatchString(text) {
			continue
		}
		name := names[text]
		if name == "" {
			name = strings.Join(strings.Fields(text), " ")
		}
		mutants = append(mutants, mutant{name: name, text: text})
	}
	for name, l := range listings {
		if l.owned {
			mutants = append(mutants, mutant{name: name, list: l})
		}
	}
	slices.SortFunc(mutants, func(a, b mutant) int { return strings.Compare(a.name, b.name) })
	if len(mutants) < 50 {
		t.Fatalf("found only %d mutants", len(mutants))
	}
	return mutants
}

// program is a test binary whose statements can lose their tenant.
type program struct {
	room, binary, tests string
}

// buildMutants builds the programs by an overlay: the files on disk stay as they are.
func buildMutants(t *testing.T, dir string) []program {
	t.Helper()
	original, err := os.ReadFile("sqlite.go")
	if err != nil {
		t.Fatal(err)
	}
	const prepare = "func (d *database) prepare(text string) (*statement, error) {\n"
	if strings.Count(string(original), prepare) != 1 {
		t.Fatal("sqlite.go prepares its statements in another way")
	}
	changed := strings.Replace(string(original), prepare, prepare+"\ttext = mutated(text)\n", 1)
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	overlay := map[string]map[string]string{"Replace": {}}
	for name, text := range map[string]string{"sqlite.go": changed, "mutated.go": mutation} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay["Replace"][filepath.Join(here, name)] = path
	}
	encoded, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), encoded, 0o600); err != nil {
		t.Fatal(err)
	}
	programs := []program{
		{room: "../server", tests: "^(TestEveryIdOfEveryRoute|TestATenantsTwinsStayAsTheyAre|TestTenantsDoNotInfluenceEachOther|TestDigestsTellNothingOfOtherTenants)$"},
		{room: ".", tests: "^Test"},
	}
	for i, p := range programs {
		programs[i].binary = filepath.Join(dir, fmt.Sprintf("mutants-%d.test", i))
		build := exec.Command("go", "test", "-c", "-overlay", filepath.Join(dir, "overlay.json"), "-o", programs[i].binary, p.room)
		if output, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, output)
		}
	}
	return programs
}

// notOfTenants are the tests of this package that no statement's tenant is part of:
// they take whole databases to other places.
const notOfTenants = "^(TestEveryMutantIsKilled|.*Backup.*|.*Restore.*|TestEverythingComesBack.*|TestOnlyTheSecretKey.*)$"

// mutantPatience bounds one program's run. What is not decided within it counts as
// living.
const mutantPatience = 5 * time.Minute

// run runs a program's tests with a mutant. It returns the first test that failed,
// or "" when all passed, and whether the statement was run at all.
func (p *program) run(t *testing.T, m mutant, mark string) (killer string, reached bool) {
	ctx, cancel := context.WithTimeout(context.Background(), mutantPatience)
	defer cancel()
	tests := exec.CommandContext(ctx, p.binary, "-test.run", p.tests, "-test.failfast", "-test.skip", notOfTenants)
	tests.Dir = p.room
	tests.Env = append(os.Environ(), "MUTANT_TEXT="+m.text, "MUTANT_REACHED="+mark)
	if m.list != nil {
		tests.Env = append(tests.Env, "MUTANT_COLUMNS="+m.list.columns, "MUTANT_TABLE="+m.list.from)
	}
	output, err := tests.CombinedOutput()
	_, missing := os.Stat(mark)
	var failed *exec.ExitError
	switch {
	case err == nil:
	case ctx.Err() != nil:
		t.Logf("%s: no test failed within %v", m.name, mutantPatience)
	case !errors.As(err, &failed):
		t.Errorf("%s: %v: %.2000s", m.name, err, output)
		killer = "nothing"
	default:
		killer = "a panic"
		if found := failedTest.FindSubmatch(output); found != nil {
			killer = string(found[1])
		}
	}
	if killer != "" && m.name == "" {
		t.Logf("%.4000s", output)
	}
	return killer, missing == nil
}

// failedTest finds the first test that failed in what a test program says.
var failedTest = regexp.MustCompile(`(?m)^--- FAIL: (\S+)`)
