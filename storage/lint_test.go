package storage

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"maestro/tenancy"
)

// TestEveryStatementBindsItsTenant reads every constant SQL text of this package,
// and what the lists build: every order of each, both ways, the first page and a
// later one, without a filter, with each of its filters and with all of them. It
// asks SQLite how it would run them: each table of tenants' rows must be searched
// by tenant_id, and never scanned. What else is put together while the program
// runs (the inserts of many points) is of points alone, which have no tenant.
func TestEveryStatementBindsItsTenant(t *testing.T) {
	s := openStore(t)
	tables := tenantTables(t, s)
	if len(tables) < 8 {
		t.Fatalf("found only %d tables of tenants' rows: %v", len(tables), tables)
	}
	statements := sourceStatements(t)
	if len(statements) < 20 {
		t.Fatalf("found only %d statements in the source", len(statements))
	}
	for name, l := range listings {
		statements = append(statements, listStatements(l, filters[name])...)
	}
	for _, statement := range statements {
		for _, fault := range lintStatement(t, s, tables, statement) {
			t.Errorf("%s\n    in %s", fault, strings.Join(strings.Fields(statement), " "))
		}
	}
}

// TestTheLintFindsWhatItMust holds the lint to statements that are wrong.
func TestTheLintFindsWhatItMust(t *testing.T) {
	s := openStore(t)
	tables := tenantTables(t, s)
	for _, statement := range []string{
		"SELECT name FROM projects",
		"SELECT name FROM projects WHERE id = $1",
		"SELECT p.name FROM projects p WHERE p.name = $1",
		"DELETE FROM projects WHERE id = $1",
		"UPDATE artifacts SET name = $1 WHERE id = $2",
		"SELECT a.name FROM projects p JOIN artifacts a ON a.name = p.name WHERE p.tenant_id = $1",
		"INSERT INTO projects (id, name) VALUES ($1, $2)",
		"SELECT count(*) FROM points",
	} {
		if len(lintStatement(t, s, tables, statement)) == 0 {
			t.Errorf("nothing is found wrong with %s", statement)
		}
	}
}

// untenanted are the statements that may reach rows of several tenants, each
// with its reason.
var untenanted = map[string]string{
	selectStaleTenants: "background work finds the tenants that have something to do by an index of just those",
	countedPoints:      "the check of the whole installation reads every tenant",
	countedMetadata:    "the check of the whole installation reads every tenant",
	countedUsages:      "the check of the whole installation reads every tenant",
	countedImpacts:     "the check of the whole installation reads every tenant",
	countedScores:      "the check of the whole installation reads every tenant",
	countedRefs:        "the check of the whole installation reads every tenant",
	selectAllBlobs:     "a backup takes every tenant's contents",
	countBlobs:         "a backup has every tenant's contents",
	sumBlobBytes:       "a backup needs room for every tenant's contents",
	deleteAllLinks:     "a restore ends every tenant's links",
	deleteAllAPITokens: "a restore ends every tenant's API tokens",
	countRestored:      "a restore marks every tenant's hooks",
	markRestored:       "a restore marks every tenant's hooks",
	selectEvent:        "a chain is read along its own pointers, and the tenant is compared",
	selectEventTime:    "a chain is read along its own pointers, and the tenant is compared",
	deleteEvent:        "a chain is removed along its own pointers, and the tenant is compared",
	deleteEventsLeft:   "what the pointers of a deleted tenant's damaged chain do not lead to has to be looked for",
	selectOldestEvents: "the retention is the installation's: it looks at the oldest events of all, a bounded number",
	deleteOldestEvents: "the retention is the installation's: it removes the oldest events of all, a bounded number",
	selectChains:       "the check of the whole installation reads every tenant",
	selectAllEvents:    "the check of the whole installation reads every tenant",
	`DELETE FROM series WHERE tenant_id = $1 AND id IN (SELECT id FROM series WHERE tenant_id = $1 LIMIT $2)`: "by id, and the ids are of the tenant's own",

	insertKnown:  "it is of the file of ids that the check of an archive makes",
	selectKnown:  "it is of the file of ids that the check of an archive makes",
	countBounded: "it is of the file of ids that the check of an archive makes",

	columnsOfSQLite:   "it is asked of an older system's database",
	columnsOfPostgres: "it is asked of an older system's database",

	selectAccountsAnywhere: "a login that names no tenant finds its account by the address, by an index",
	selectAccountBySlug:    "a login finds its account by address and tenant together, by the index of addresses",
	selectAPITokenState:    "an API token says by itself whose it is: it is found by its digest, by an index",
	selectHookState:        "a delivery says by its address which hook it is for: it is found by its id, by an index",
	selectLinkAccount:      "a one-time link says by itself whose it is: it is found by its digest, by an index",
	selectOperator:         "operators belong to the installation; they are found by an index of just them",
	selectExpiredSession:   "background work finds what expired by an index of just that",
	selectExpiredLink:      "background work finds what expired by an index of just that",
	deleteExpiredSession:   "background work finds what expired by an index of just that",
	deleteExpiredLinks:     "background work finds what expired by an index of just that",
}

var (
	searched = regexp.MustCompile(`^SEARCH (\w+)(?: USING (?:COVERING )?(?:INDEX \w+|PRIMARY KEY|INTEGER PRIMARY KEY) \((.*)\))?`)
	scanned  = regexp.MustCompile(`^SCAN (\w+)`)
)

func lintStatement(t *testing.T, s *Store, tables map[string]bool, statement string) (faults []string) {
	t.Helper()
	if _, ok := untenanted[statement]; ok {
		return nil
	}
	if table := tableOf(statement); strings.HasPrefix(strings.TrimSpace(statement), "INSERT") && tables[table] {
		columns, _, _ := strings.Cut(statement, ")")
		if !strings.Contains(columns, "tenant_id") {
			faults = append(faults, "an insert into "+table+" without tenant_id")
		}
	}
	args := make([]any, strings.Count(statement, "$"))
	err := s.read(background, func(c *conn) error {
		return c.query(background, "EXPLAIN QUERY PLAN "+statement, args, func(r row) error {
			detail := r.text(3)
			if m := scanned.FindStringSubmatch(detail); m != nil {
				if table := resolveAlias(statement, m[1]); tables[table] || table == "points" {
					faults = append(faults, "scans "+table+": "+detail)
				}
			}
			if m := searched.FindStringSubmatch(detail); m != nil {
				table := resolveAlias(statement, m[1])
				if tables[table] && !strings.HasPrefix(m[2], "tenant_id=?") {
					faults = append(faults, "searches "+table+" without its tenant: "+detail)
				}
				if table == "points" && !strings.HasPrefix(m[2], "series=?") {
					faults = append(faults, "searches points without their series: "+detail)
				}
			}
			return nil
		})
	})
	if err != nil {
		t.Fatalf("%s\n    in %s", err, statement)
	}
	return faults
}

var target = regexp.MustCompile(`(?i)\b(?:FROM|INTO|UPDATE|JOIN)\s+(\w+)`)

// tableOf returns the table that a statement is about.
func tableOf(statement string) string {
	if m := target.FindStringSubmatch(statement); m != nil {
		return m[1]
	}
	return ""
}

func resolveAlias(statement, name string) string {
	m := regexp.MustCompile(`(?i)\b(?:FROM|JOIN|,)\s*(\w+)\s+(?:AS\s+)?` + name + `\b`).FindStringSubmatch(statement)
	if m != nil && !slices.Contains([]string{"from", "join"}, strings.ToLower(m[1])) {
		return m[1]
	}
	return name
}

// tenantTables lists the tables that hold tenants' rows: those with tenant_id.
func tenantTables(t *testing.T, s *Store) map[string]bool {
	t.Helper()
	tables := map[string]bool{}
	err := s.read(background, func(c *conn) error {
		return c.query(background, `SELECT m.name FROM sqlite_schema m JOIN pragma_table_info(m.name) i ON i.name = 'tenant_id' WHERE m.type = 'table'`, nil,
			func(r row) error { tables[r.text(0)] = true; return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	return tables
}

// sourcePackage reads the package's source. Without its imports, the package's own
// constants and types are known all the same.
func sourcePackage(t *testing.T) (*types.Package, []*ast.File, *types.Info) {
	t.Helper()
	files := token.NewFileSet()
	var parsed []*ast.File
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if name := entry.Name(); strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			file, err := parser.ParseFile(files, name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			parsed = append(parsed, file)
		}
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
	config := types.Config{Importer: noImports{}, Error: func(error) {}}
	checked, _ := config.Check("maestro/storage", files, parsed, info)
	return checked, parsed, info
}

// sourceStatements returns every constant text of the package's source that is
// an SQL statement on tables, however it is put together.
func sourceStatements(t *testing.T) (statements []string) {
	t.Helper()
	_, parsed, info := sourcePackage(t)
	verb := regexp.MustCompile(`(?s)^\s*(SELECT\s.+\sFROM|INSERT INTO|UPDATE|DELETE FROM|WITH)\s+\w`)
	seen := map[string]bool{}
	for _, file := range parsed {
		var within int // inside a larger constant text
		var stack []bool
		ast.Inspect(file, func(n ast.Node) bool {
			if n == nil {
				if stack[len(stack)-1] {
					within--
				}
				stack = stack[:len(stack)-1]
				return true
			}
			whole := false
			if e, ok := n.(ast.Expr); ok {
				if v := info.Types[e].Value; v != nil && v.Kind() == constant.String {
					if text := constant.StringVal(v); within == 0 && verb.MatchString(text) && !seen[text] {
						seen[text] = true
						statements = append(statements, text)
					}
					within++
					whole = true
				}
			}
			stack = append(stack, whole)
			return true
		})
	}
	return statements
}

type noImports struct{}

func (noImports) Import(path string) (*types.Package, error) {
	return nil, fmt.Errorf("%s is not needed", path)
}

// listings are all lists of the package, by the names of their variables.
var listings = map[string]*listing{
	"apiTokenList": &apiTokenList, "artifactList": &artifactList, "artifactUsageList": &artifactUsageList, "hookList": &hookList, "memberList": &memberList,
	"predictionList": &predictionList, "projectList": &projectList, "projectUsageList": &projectUsageList, "runList": &runList, "sessionList": &sessionList,
	"tenantList": &tenantList, "userList": &userList,
}

// filters are what the lists may be narrowed by.
var filters = map[string][]filter{
	"apiTokenList":   {{"user_id = %s", tenancy.ID{}}},
	"artifactList":   (&ArtifactFilter{Type: "t", Tag: "t", Name: "n", IsActive: ptr(true), MinImpact: ptr(0.5)}).conditions(),
	"projectList":    (&ProjectFilter{Status: "s", ProblemClass: "c", MinSuccess: ptr(0.5), CreatedFrom: ptr(tenancy.Time(0)), CreatedUntil: ptr(tenancy.Time(1)), CompletedFrom: ptr(tenancy.Time(0)), CompletedUntil: ptr(tenancy.Time(1)), Text: "word"}).conditions(),
	"predictionList": (&PredictionFilter{Project: ptr(tenancy.ID{}), Compared: ptr(true), CreatedFrom: ptr(tenancy.Time(0)), CreatedUntil: ptr(tenancy.Time(1))}).conditions(),
	"sessionList":    {{"ends_at > %s", 1}, {"user_epoch = %s", 1}, {"tenant_epoch = %s", 1}, {"global_epoch = %s", 1}},
	"userList":       (&UserFilter{Role: "r", IsActive: ptr(true)}).conditions(),
}

// TestTheLintKnowsEveryList compares the lists and filters above with the source.
func TestTheLintKnowsEveryList(t *testing.T) {
	source, _, _ := sourcePackage(t)
	fields := map[string]int{} // of each type that narrows a list
	for _, name := range source.Scope().Names() {
		object := source.Scope().Lookup(name)
		switch object := object.(type) {
		case *types.Var:
			if object.Type().String() == "maestro/storage.listing" && listings[name] == nil {
				t.Errorf("%s is not among the lists that are read", name)
			}
		case *types.TypeName:
			if method, _, _ := types.LookupFieldOrMethod(types.NewPointer(object.Type()), false, source, "conditions"); method != nil {
				fields[name] = object.Type().Underlying().(*types.Struct).NumFields()
			}
		}
	}
	want := map[string]int{"ArtifactFilter": len(filters["artifactList"]), "PredictionFilter": len(filters["predictionList"]), "ProjectFilter": len(filters["projectList"]), "UserFilter": len(filters["userList"])}
	if diff := gocmp.Diff(want, fields); diff != "" {
		t.Errorf("the conditions that are read, and the fields there are, differ (-read +are):\n%s", diff)
	}
}

// fixed are the filters that every page of the list has.
func fixed(l *listing) []filter {
	if l.within == "" {
		return nil
	}
	return []filter{l.of(tenancy.ID{})}
}

// listStatements returns every shape of a list's SQL: each sort and direction,
// first and later pages, without a filter, with each and with all.
func listStatements(l *listing, narrowed []filter) (statements []string) {
	choices := [][]filter{fixed(l), append(fixed(l), narrowed...)}
	for _, f := range narrowed {
		choices = append(choices, append(fixed(l), f))
	}
	for _, name := range l.sortNames() {
		for _, descending := range []bool{false, true} {
			for _, after := range []*position{nil, {Value: int64(1), ID: tenancy.ID{}}} {
				for _, chosen := range choices {
					for _, by := range looks(l, chosen) {
						text, _ := l.statement(tenancy.ID{}, by, l.sorts[name], descending, after, 50)
						statements = append(statements, text)
					}
				}
			}
		}
	}
	return statements
}

// looks are the ways in which a page of the list may be looked for.
func looks(l *listing, chosen []filter) []look {
	ways := []look{{filters: chosen}}
	if l.first > 0 {
		ways = append(ways, look{filters: chosen, until: &position{Value: int64(1)}}, look{filters: chosen, unordered: true})
	}
	if l == &artifactList {
		ways = append(ways, look{filters: append(slices.Clone(chosen), filter{amongIndexed, "[]"}), unordered: true})
	}
	return ways
}

// TestListsReadTheirIndex holds every list to its index. An order that an index
// holds needs no sorting; one that is gathered reads the tenant's keys from an
// index alone, and sorts those.
func TestListsReadTheirIndex(t *testing.T) {
	s := openStore(t)
	for _, l := range listings {
		for name, key := range l.sorts {
			text, args := l.statement(tenancy.ID{}, look{filters: fixed(l)}, key, true, nil, 50)
			plan := queryPlan(t, s, text, len(args))
			if key.gathered && !strings.Contains(plan, "USING COVERING INDEX") {
				t.Errorf("%s by %s is not gathered from an index:\n%s", l.name, name, plan)
			}
			if key.grouped && !strings.Contains(plan, "USING COVERING INDEX artifacts_name (tenant_id=?)\nUSE TEMP B-TREE FOR LAST TERM") {
				t.Errorf("%s by %s does not walk its index:\n%s", l.name, name, plan)
			}
			if !key.gathered && !key.grouped && strings.Contains(plan, "TEMP B-TREE") {
				t.Errorf("%s by %s is sorted:\n%s", l.name, name, plan)
			}
		}
	}
}

func queryPlan(t *testing.T, s *Store, statement string, args int) string {
	t.Helper()
	var plan strings.Builder
	err := s.read(background, func(c *conn) error {
		return c.query(background, "EXPLAIN QUERY PLAN "+statement, make([]any, args), func(r row) error {
			plan.WriteString(r.text(3) + "\n")
			return nil
		})
	})
	if err != nil {
		t.Fatalf("%v\n    in %s", err, statement)
	}
	return plan.String()
}
