package migrations

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// script is one migration: what brings the schema up to its version, and what
// brings it down to the one before.
type script struct {
	version  int64
	name     string
	up, down []step
}

// step is one statement of a script with what its directive says of it.
type step struct {
	directive directive
	subject   string   // table, or name of what is kept
	columns   []string // of keepColumns and dropColumns
	text      string   // of the statement; "" where the directive says it all
	line      int
}

// directive is a comment of the form "-- +maestro …" before a statement.
type directive int

const (
	plain          directive = iota
	inChunks                 // in chunks of TABLE: the statement runs for a piece of the table at a time, where it says $chunk
	keep                     // keep NAME: the rows that the statement selects are kept, unless there are none
	keepTable                // keep table TABLE: all rows are kept, and the table goes
	keepColumns              // keep columns of TABLE: A, B: what they hold is kept, where it is not their default
	dropColumns              // drop columns of TABLE: A, B: the table is rebuilt without them
	restoreTable             // restore table TABLE: the rows that were kept come back, but for those whose parents went
	restoreColumns           // restore columns of TABLE: what they held comes back
	forgetEmpty              // forget NAME if empty: what is kept by that name goes, when there is nothing in it
	ifKept                   // if kept NAME: the statement runs when there is such
	setAside                 // set aside what refers to nothing: it is kept as unplaced_TABLE
)

var directives = []struct {
	directive directive
	form      *regexp.Regexp
	statement bool // one follows
}{
	{inChunks, regexp.MustCompile(`^in chunks of (\w+)$`), true},
	{keepTable, regexp.MustCompile(`^keep table (\w+)$`), false},
	{keepColumns, regexp.MustCompile(`^keep columns of (\w+): (\w+(?:, \w+)*)$`), false},
	{dropColumns, regexp.MustCompile(`^drop columns of (\w+): (\w+(?:, \w+)*)$`), false},
	{forgetEmpty, regexp.MustCompile(`^forget (\w+) if empty$`), false},
	{keep, regexp.MustCompile(`^keep (\w+)$`), true},
	{restoreTable, regexp.MustCompile(`^restore table (\w+)$`), false},
	{restoreColumns, regexp.MustCompile(`^restore columns of (\w+)$`), false},
	{ifKept, regexp.MustCompile(`^if kept (\w+)$`), true},
	{setAside, regexp.MustCompile(`^(set aside) what refers to nothing$`), false},
}

// readScripts reads all migrations, lowest version first.
func readScripts(files fs.FS) ([]*script, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, err
	}
	var scripts []*script
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		s, err := parseScript(name, string(text))
		if err != nil {
			return nil, fmt.Errorf("migrations: %s: %w", name, err)
		}
		scripts = append(scripts, s)
	}
	slices.SortFunc(scripts, func(a, b *script) int { return int(a.version - b.version) })
	return scripts, nil
}

// parseScript reads a file in goose's form: "-- +goose Up" and "-- +goose Down"
// divide it, a statement ends with a line that ends in a semicolon, but for those
// between StatementBegin and StatementEnd. Lines that are comments are left out.
func parseScript(name, text string) (*script, error) {
	s := &script{name: strings.TrimSuffix(path.Base(name), ".sql")}
	number, _, _ := strings.Cut(s.name, "_")
	version, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("the name has no version: %w", err)
	}
	s.version = version
	var steps *[]step
	var next step // is being read
	var body strings.Builder
	whole := false // between StatementBegin and StatementEnd
	finish := func() {
		next.text = strings.TrimSpace(body.String())
		*steps = append(*steps, next)
		next = step{}
		body.Reset()
	}
	lines := bufio.NewScanner(strings.NewReader(text))
	for number := 1; lines.Scan(); number++ {
		line := lines.Text()
		trimmed := strings.TrimSpace(line)
		if annotation, ok := strings.CutPrefix(trimmed, "-- +goose "); ok {
			switch annotation {
			case "Up":
				steps = &s.up
			case "Down":
				steps = &s.down
			case "StatementBegin":
				whole = true
			case "StatementEnd":
				whole = false
				finish()
			default:
				return nil, fmt.Errorf("line %d: %q is not known", number, trimmed)
			}
			continue
		}
		if annotation, ok := strings.CutPrefix(trimmed, "-- +maestro "); ok && steps != nil {
			if next.directive != plain {
				return nil, fmt.Errorf("line %d: a directive before the statement of another", number)
			}
			follows, err := next.direct(annotation)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", number, err)
			}
			next.line = number
			if !follows {
				finish()
			}
			continue
		}
		if steps == nil || !whole && strings.HasPrefix(trimmed, "--") || trimmed == "" {
			continue
		}
		if next.line == 0 {
			next.line = number
		}
		body.WriteString(line + "\n")
		if !whole && endsStatement(trimmed) {
			finish()
		}
	}
	switch {
	case lines.Err() != nil:
		return nil, lines.Err()
	case len(s.up) == 0:
		return nil, errors.New("there is no way up")
	case body.Len() > 0 || next.directive != plain:
		return nil, fmt.Errorf("line %d: the statement does not end", next.line)
	}
	return s, nil
}

// direct reads a directive and reports whether a statement follows.
func (s *step) direct(text string) (statement bool, err error) {
	for _, d := range directives {
		if m := d.form.FindStringSubmatch(text); m != nil {
			s.directive, s.subject = d.directive, m[1]
			if len(m) > 2 {
				s.columns = strings.Split(m[2], ", ")
			}
			return d.statement, nil
		}
	}
	return false, fmt.Errorf("there is no directive %q", text)
}

// endsStatement reports whether a line ends in a semicolon, before a comment.
func endsStatement(line string) bool {
	last := ""
	for word := range strings.FieldsSeq(line) {
		if strings.HasPrefix(word, "--") {
			break
		}
		last = word
	}
	return strings.HasSuffix(last, ";")
}
