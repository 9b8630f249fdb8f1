package cli_test

import (
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"maestro/auth"
	"maestro/cli"
)

// TestTheEnvironmentsOperatorIsMadeOnce starts twice in the same directory. The
// second start has a password that may not be set and does not mind: that there
// is an operator is known before a password is looked at, let alone hashed.
func TestTheEnvironmentsOperatorIsMadeOnce(t *testing.T) {
	dir := t.TempDir()
	start := func(password string) error {
		t.Helper()
		appliance := &cli.Appliance{Hash: auth.HasherConfig{InsecureTestCost: bcrypt.MinCost}, Settings: cli.ServeSettings{Data: dir, Listen: "127.0.0.1:0",
			AdminEmail: operatorEmail, AdminPassword: password, DrainTimeout: 5 * time.Second}}
		err := appliance.Run(t.Context())
		if err == nil {
			loggedIn(t, appliance.URL())
		}
		if err := appliance.Close(); err != nil {
			t.Error(err)
		}
		return err
	}
	if err := start("short"); err == nil {
		t.Error("the first start takes a password that may not be set")
	}
	if err := start(operatorPassword); err != nil {
		t.Fatal(err)
	}
	if err := start("short"); err != nil {
		t.Errorf("the second start: %v", err)
	}
}
