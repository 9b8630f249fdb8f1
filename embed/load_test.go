package embed

import (
	"bytes"
	"compress/gzip"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"testing"
)

// mostScript is what a browser may have to load of script before the first screen
// stands, in bytes under gzip.
const mostScript = 120 << 10

var (
	scriptTag    = regexp.MustCompile(`<script[^>]* src="/([^"]+)"`)
	staticImport = regexp.MustCompile(`(?:^|[;}\s])(?:import|export)(?:[^'"()]*?from)?\s*["']\./([^"']+)["']`)
)

// The first load is what the page names, what that imports, and the same of the
// home screen. Screens that are opened later load what they need then.
func TestTheFirstLoadIsSmall(t *testing.T) {
	page, err := fs.ReadFile(UI(), "index.html")
	if err != nil {
		t.Fatal(err)
	}
	var waiting, loaded []string
	for _, tag := range scriptTag.FindAllStringSubmatch(string(page), -1) {
		waiting = append(waiting, tag[1])
	}
	if len(waiting) < 2 {
		t.Fatalf("index.html names the scripts %q", waiting)
	}
	waiting = append(waiting, "assets/Home.js")
	total := 0
	for len(waiting) > 0 {
		name := waiting[0]
		waiting = waiting[1:]
		if slices.Contains(loaded, name) {
			continue
		}
		script, err := fs.ReadFile(UI(), name)
		if err != nil {
			t.Fatal(err)
		}
		size := zipped(t, script)
		total += size
		loaded = append(loaded, name)
		t.Logf("%7d %s", size, name)
		for _, found := range staticImport.FindAllStringSubmatch(string(script), -1) {
			waiting = append(waiting, path.Join(path.Dir(name), found[1]))
		}
	}
	if len(loaded) < 8 {
		t.Errorf("only %q were found: are imports written in another way now?", loaded)
	}
	if total > mostScript {
		t.Errorf("the first load is %d bytes of script under gzip, at most %d are allowed", total, mostScript)
	}
	t.Logf("%7d in all", total)
}

func zipped(t *testing.T, script []byte) int {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(script); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Len()
}
