package cli

import (
	"runtime"
	"testing"
)

func TestSpareProcessors(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	set := func(value string, set bool) func(string) (string, bool) {
		return func(name string) (string, bool) {
			if name != "GOMAXPROCS" {
				t.Errorf("asked for %s", name)
			}
			return value, set
		}
	}

	spareProcessors(set("3", true))
	if got := runtime.GOMAXPROCS(0); got != before {
		t.Errorf("with GOMAXPROCS set: got %d, want %d as it was", got, before)
	}
	spareProcessors(set("", false))
	if got, want := runtime.GOMAXPROCS(0), before+waitingForDisk; got != want {
		t.Errorf("got %d, want %d", got, want)
	}
}
