package cli_test

import (
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"maestro/cli"
)

var update = flag.Bool("update", false, "write what the program says into the manual")

func TestTheManualListsEveryOption(t *testing.T) {
	const page = "../docs/configuration.md"
	want := cli.OptionsPage()
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("run go test ./cli -run TestTheManualListsEveryOption -update: %s", diff)
	}
}
