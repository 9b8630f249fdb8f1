//go:build unix

package server

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"maestro/auth"
	"maestro/tenancy"
)

// TestEveryRefusedLoginTakesAsLong sends logins that are refused for every reason,
// in random order, and compares how long the answers take: they must differ by
// less than a twentieth of one hash, or the time tells who has an account. It
// measures, for a minute or two, so it runs with MAESTRO_TEST_TIMING=1, on a machine
// that does little else; on a busy one MAESTRO_TEST_TIMING=cpu compares the
// processor's time instead of the clock's.
func TestEveryRefusedLoginTakesAsLong(t *testing.T) {
	if os.Getenv("MAESTRO_TEST_TIMING") == "" {
		t.Skip("measures time: set MAESTRO_TEST_TIMING=1")
	}
	const samples = 60
	w := openWorld(t, auth.HasherConfig{Cost: auth.MinHashCost})
	acme, closed := w.tenant("acme"), w.tenant("closed")
	system := tenancy.Issue(acme, tenancy.Actor{Kind: tenancy.ActorSystem})
	add := func(tenant tenancy.ID, name string, change func(*auth.NewUser)) {
		t.Helper()
		u := auth.NewUser{ID: tenancy.NewID(), EmailKey: name + "@acme.example", PasswordHash: w.hash(name),
			UserFields: auth.UserFields{Email: name + "@acme.example", Name: name, Roles: []string{auth.RoleViewer}, IsActive: true}}
		if change != nil {
			change(&u)
		}
		scope := system
		if tenant != acme {
			scope = tenancy.Issue(tenant, tenancy.Actor{Kind: tenancy.ActorSystem})
		}
		if _, err := w.store.CreateUser(background, scope, u, func(auth.RoleBook) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	older, err := bcrypt.GenerateFromPassword([]byte("something else"), auth.MinHashCost-2)
	if err != nil {
		t.Fatal(err)
	}
	add(acme, "wrong", nil)
	add(acme, "disabled", func(u *auth.NewUser) { u.IsActive = false })
	add(acme, "oldcost", func(u *auth.NewUser) { u.PasswordHash = string(older) })
	add(acme, "invited", func(u *auth.NewUser) { u.PasswordHash = "" })
	add(acme, "service", func(u *auth.NewUser) { u.IsService, u.PasswordHash = true, "" })
	add(acme, "twice", nil)
	add(closed, "twice", nil)
	add(closed, "suspended", nil)
	add(acme, "locked", nil)
	active := false
	if _, err := w.store.UpdateTenant(background, closed, nil, func(f *tenancy.TenantFields) error { f.IsActive = active; return nil }); err != nil {
		t.Fatal(err)
	}

	try := func(name, password string) (int, string, time.Duration) {
		body := fmt.Sprintf(`{"email":"%s@acme.example","password":%q}`, name, password)
		started := moment()
		a := w.nobody.send("POST", "/auth/login", body)
		return a.status, masked(a), moment() - started
	}
	took := map[string][]time.Duration{}
	answers := map[string]bool{}
	refused := []string{"wrong", "unknown", "disabled", "oldcost", "invited", "service", "twice", "suspended"}
	for range samples {
		w.clock.pass(50 * time.Hour) // failures are forgotten
		order := slices.Clone(refused)
		rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, name := range order {
			status, answer, d := try(name, "not the password of anybody")
			if status != 401 {
				t.Fatalf("%s answers %d", name, status)
			}
			answers[answer] = true
			took[name] = append(took[name], d)
		}
		status, _, d := try("wrong", strings.Repeat("x", 3000))
		if status != 401 {
			t.Fatalf("an over-long password answers %d", status)
		}
		took["over-long password"] = append(took["over-long password"], d)
	}
	// A locked account and one that does not exist are locked alike, without a hash;
	// the right password of the one that exists makes no difference.
	locked := []string{"locked", "locked.unknown"}
	for range auth.AccountPace.Free + 6 {
		w.clock.pass(2 * time.Minute)
		for _, name := range locked {
			try(name, "not the password of anybody")
		}
	}
	for range samples {
		for _, name := range locked {
			status, _, d := try(name, goodPassword)
			if status != 429 {
				t.Fatalf("%s answers %d", name, status)
			}
			took[name] = append(took[name], d)
		}
	}
	if len(answers) != 1 {
		t.Errorf("there are %d different answers: %v", len(answers), answers)
	}
	quick := func(name string) time.Duration { // the tenth part that was least disturbed by other programs
		slices.Sort(took[name])
		return took[name][len(took[name])/10]
	}
	hash := quick("wrong")
	compare := func(name, with string) {
		difference := quick(name) - quick(with)
		t.Logf("%-20s %8.2f ms, %+.2f %% of a hash beside %s", name, float64(quick(name))/1e6, 100*float64(difference)/float64(hash), with)
		if difference.Abs() > hash/20 {
			t.Errorf("%s takes %s, %s takes %s: the difference tells them apart", name, quick(name), with, quick(with))
		}
	}
	for _, name := range append(refused[1:], "over-long password") {
		compare(name, "wrong")
	}
	compare("locked", "locked.unknown")
}

// hash is what is stored of goodPassword.
func (w *world) hash(name string) string {
	w.t.Helper()
	u, err := w.auth.PrepareUser(background, auth.UserFields{Email: name + "@acme.example", Name: name, Roles: []string{auth.RoleViewer}}, goodPassword)
	if err != nil {
		w.t.Fatal(err)
	}
	return u.PasswordHash
}

// moment is the time by which the test compares.
func moment() time.Duration {
	if os.Getenv("MAESTRO_TEST_TIMING") != "cpu" {
		return time.Since(epoch)
	}
	var use syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &use) // of this process it cannot fail
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
