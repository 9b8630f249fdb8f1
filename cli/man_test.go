package cli

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// manual returns the page that a command prints.
func manual(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	root := (&app{out: &out, form: formTable}).root()
	root.SetArgs(append([]string{"man"}, args...))
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestThePageHasEveryCommandAndOption walks all of them.
func TestThePageHasEveryCommandAndOption(t *testing.T) {
	page := manual(t)
	commands := 0
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		commands++
		if section := `.SS "` + roff.Replace(strings.TrimPrefix(c.UseLine(), "maestro ")); !strings.Contains(page, section) {
			t.Errorf("the page has no %s", section)
		}
		for _, sub := range shown(c) {
			walk(sub)
		}
	}
	for _, c := range shown((&app{}).root()) {
		walk(c)
	}
	if commands < 50 {
		t.Errorf("only %d commands were looked at", commands)
	}
	for _, o := range serveOptions {
		if !o.secret && !strings.Contains(page, roff.Replace("--"+o.name)) {
			t.Errorf("the page has no --%s", o.name)
		}
	}
}

// TestAPageIsRoffThatMeansItself looks at what could be taken for a macro, and lets
// the formatter say what it does not understand, where there is one.
func TestAPageIsRoffThatMeansItself(t *testing.T) {
	for name, page := range map[string]string{"maestro": manual(t), "serve": manual(t, "serve"), "token create": manual(t, "token", "create")} {
		for line := range strings.SplitSeq(page, "\n") {
			macro, _, _ := strings.Cut(strings.TrimPrefix(line, "."), " ")
			if strings.HasPrefix(line, ".") && !strings.Contains(" TH SH SS B PP TP EX EE ", " "+macro+" ") {
				t.Errorf("%s: %q is a macro", name, line)
			}
			if strings.HasPrefix(line, "'") {
				t.Errorf("%s: %q begins a macro", name, line)
			}
		}
		formatter, err := exec.LookPath("groff")
		if err != nil {
			continue
		}
		format := exec.Command(formatter, "-man", "-ww", "-Tutf8", "-K", "utf-8", "-z")
		format.Stdin = strings.NewReader(page)
		if complaints, err := format.CombinedOutput(); err != nil || len(complaints) > 0 {
			t.Errorf("%s: %v: %s", name, err, complaints)
		}
	}
}
