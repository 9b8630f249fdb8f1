package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"maestro/audit"
	"maestro/auth"
	"maestro/storage"
	"maestro/tenancy"
)

// TestAKeyThatIsReplacedOnScheduleIsRecorded makes the key that signs older than
// keys may be.
func TestAKeyThatIsReplacedOnScheduleIsRecorded(t *testing.T) {
	data := t.TempDir()
	run := func(look func(*Appliance)) {
		t.Helper()
		a := &Appliance{Hash: auth.HasherConfig{InsecureTestCost: bcrypt.MinCost}, Settings: ServeSettings{Data: data, Listen: "127.0.0.1:0",
			KeyLife: auth.MinKeyLife, DrainTimeout: time.Second}}
		if err := a.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		look(a)
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var first string
	run(func(a *Appliance) { first = a.identity.Keys()[0].ID })
	files, err := filepath.Glob(filepath.Join(data, "keys", "*.pem"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	aged := regexp.MustCompile(`Created: \S+`).ReplaceAll(text, []byte("Created: 2024-01-02T03:04:05Z"))
	if err := os.WriteFile(files[0], aged, 0o600); err != nil {
		t.Fatal(err)
	}
	run(func(a *Appliance) {
		a.identity.Maintain(t.Context())
		key := a.identity.Keys()[0].ID
		events, err := a.store.InstallationEvents(t.Context(), storage.Page{Limit: 10}, storage.EventFilter{})
		if err != nil {
			t.Fatal(err)
		}
		if len(events.Items) != 1 || events.Items[0].Action != audit.KeyRotate || events.Items[0].Object != key || key == first || events.Items[0].ActorKind != tenancy.ActorSystem {
			t.Errorf("the key is %s in place of %s, and the trail has %+v", key, first, events.Items)
		}
	})
}
