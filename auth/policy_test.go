package auth

import (
	"strings"
	"testing"

	"maestro/problem"
)

func TestPasswordPolicy(t *testing.T) {
	words := []string{"ada.lovelace@acme-labs.com", "Ada Lovelace", "ACME Laboratories", "acme"}
	for _, c := range []struct {
		password string
		least    int
		reason   string // a part of the message; "" for accepted
	}{
		{"a kettle under violet rain", 15, ""},
		{"correct-cow-battery-nail", 15, ""},
		{"xK9#vQ2mLp7!wR4", 15, ""},
		{strings.Repeat("é", 64), 15, ""},
		{strings.Repeat("🦄", 64), 15, ""},
		{strings.Repeat("abc", 67), 15, ""}, // nobody tries every long one
		{"fourteen chars", 15, "at least 15"},
		{"fifteen  chars!", 15, ""},
		{"éééé", 15, "at least 15"},
		{"kettle22", 8, ""},
		{"kettle2", 8, "at least 8"},

		{"passwordpassword", 15, "tried first"},
		{"Password12345678", 15, "tried first"},
		{"P@ssw0rd-2026-!!", 15, "tried first"},
		{"!!!!!letmein!!!!!", 15, "tried first"},
		{"correcthorsebatterystaple", 15, "tried first"},
		{"iloveyou2024", 8, "tried first"},
		{"ＰＡＳＳＷＯＲＤ", 8, "tried first"}, // full width

		{"aaaaaaaaaaaaaaa", 15, "sequence"},
		{"abababababababab", 15, "sequence"},
		{"123456789012345", 15, "sequence"},
		{"987654321098765", 15, "sequence"},
		{"abcdefghijklmnop", 15, "sequence"},
		{"qwertyuiopasdfgh", 15, "sequence"},
		{"1qaz2wsx3edc4rfv", 15, "sequence"},
		{"qwertyui12345678", 15, "sequence"},

		{"maestro-acme-2026", 15, "name of the product"},
		{"AdaLovelace1815!", 15, "name of the product"},
		{"lovelace@acme-labs", 15, "name of the product"},
		{"acmelaboratories", 15, "name of the product"},
		{"Maestro123456789", 15, "tried first"}, // it is on the list as well
	} {
		var checks problem.Checks
		PasswordPolicy{MinLength: c.least}.Check(&checks, "body.password", c.password, words...)
		err := checks.Err()
		switch {
		case c.reason == "" && err != nil:
			t.Errorf("%q is refused: %v", c.password, err)
		case c.reason != "" && (err == nil || !strings.Contains(err.Error(), c.reason)):
			t.Errorf("%q: got %v, want a refusal with %q", c.password, err, c.reason)
		case err != nil && strings.Contains(err.Error(), c.password):
			t.Errorf("the refusal of %q repeats it", c.password)
		}
	}
}

func TestEveryListedPasswordIsRefused(t *testing.T) {
	words := blocklist()
	if len(words) < 3000 {
		t.Fatalf("the list has %d passwords, want 3000", len(words))
	}
	for word := range words {
		var checks problem.Checks
		PasswordPolicy{MinLength: 1}.Check(&checks, "password", word)
		if checks.Err() == nil {
			t.Errorf("%q is on the list and accepted", word)
		}
	}
}
