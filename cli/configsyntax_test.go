package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAMalformedFileShowsNothingOfItsSecrets: before, the lines around the mistake
// were printed and logged, with the secrets in them.
func TestAMalformedFileShowsNothingOfItsSecrets(t *testing.T) {
	const secret = "cAnArY4tHeToKeN"
	for name, c := range map[string]struct{ file, text, want string }{
		"yaml, open quote":      {"m.yaml", "listen: 127.0.0.1:1\nmetrics_token: \"" + secret + "\n", "line 2, column 16: no valid YAML"},
		"yaml, stray colon":     {"m.yaml", "metrics_token: " + secret + ": x\nlisten: 127.0.0.1:1\n", "line 1, column "},
		"yaml, no mapping":      {"m.yaml", "metrics_token:" + secret + "\n", "line 1, column 1: must be names of options with their values"},
		"yaml, a list":          {"m.yaml", "- metrics_token: " + secret + "\n", "line 1, column 1: must be names of options with their values"},
		"yaml, unknown alias":   {"m.yaml", "metrics_token: *" + secret + "\n", "no valid YAML"},
		"yaml, twice":           {"m.yml", "metrics_token: " + secret + "\nmetrics_token: " + secret + "\n", "line 2, column 1: no valid YAML"},
		"yaml, key twice":       {"m.yml", "metrics_token:\n  " + secret + ": 1\n  " + secret + ": 1\n", "line 3, column 3: no valid YAML"},
		"yaml, open bracket":    {"m.yaml", "metrics_token: [" + secret, "no valid YAML"},
		"yaml, tab":             {"m.yaml", "metrics_token:\n\t" + secret + "\n", "no valid YAML"},
		"yaml, a mapping":       {"m.yaml", "metrics_token:\n  " + secret + ": 1\n", "a key with metrics_token and more in its name is no option"},
		"yaml, no space":        {"m.yaml", "metrics_token:" + secret + ": 1\n", "a key with metrics_token and more in its name is no option"},
		"yaml, of the shell":    {"m.yaml", "\"MAESTRO_METRICS_TOKEN=" + secret + "\": 1\n", "a key with metrics_token and more in its name is no option"},
		"yaml, nested deeper":   {"m.yaml", "metrics:\n  token:\n    a:\n      " + secret + ": 1\n", "a key with metrics_token and more in its name is no option"},
		"toml, open quote":      {"m.toml", "listen = \"127.0.0.1:1\"\nmetrics_token = \"" + secret + "\n", "line 2, column "},
		"toml, no quote":        {"m.toml", "metrics_token = " + secret + "\n", "line 1, column 17: no valid TOML"},
		"toml, no equals sign":  {"m.toml", "metrics_token " + secret + "\n", "line 1, column 15: no valid TOML"},
		"toml, twice":           {"m.toml", "metrics_token.x = \"" + secret + "\"\nmetrics_token.x = 1\n", "no valid TOML"},
		"toml, no escape":       {"m.toml", "metrics_token = \"\\" + secret + "\"\n", "line 1, column "},
		"toml, a table":         {"m.toml", "[metrics_token]\n" + secret + " = 1\n", "a key with metrics_token and more in its name is no option"},
		"json, open quote":      {"m.json", "{\"metrics_token\": \"" + secret + "\n\"}", "line 1, column 35: no valid JSON"},
		"json, no quote":        {"m.json", "{\n  \"metrics_token\": " + secret + "}", "line 2, column 20: no valid JSON"},
		"json, no end":          {"m.json", "{\"metrics_token\": \"" + secret, ": no valid JSON"},
		"json, a list":          {"m.json", "[\"" + secret + "\"]", "must be names of options with their values"},
		"json, a text":          {"m.json", "\"" + secret + "\"", "must be names of options with their values"},
		"json, an object":       {"m.json", "{\"metrics_token\": {\"" + secret + "\": 1}}", "a key with metrics_token and more in its name is no option"},
		"json, twice":           {"m.json", "{\n \"metrics_token\": \"x\",\n \"metrics\\u005ftoken\": \"" + secret + "\"}", "line 3, column 2: a key that its object has already"},
		"json, key twice":       {"m.json", "{\"secrets\": [{\"" + secret + "\": {}, \"" + secret + "\": 1}]}", "line 1, column 38: a key that its object has already"},
		"json, stray character": {"m.json", "{\"metrics_token\": \"" + secret[:1] + "\"" + secret[1:] + "}", "line 1, column 22: no valid JSON"},
	} {
		path := filepath.Join(t.TempDir(), c.file)
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := readConfigFile(path, ".")
		if err == nil {
			t.Errorf("%s: is taken", name)
			continue
		}
		text := err.Error()
		if !strings.Contains(text, path+": ") || !strings.Contains(text, c.want) {
			t.Errorf("%s: got %q, want %q in it", name, text, c.want)
		}
		// Not even one character of it is quoted.
		if rest := strings.ReplaceAll(text, path, ""); strings.Contains(strings.ToLower(rest), strings.ToLower(secret[1:4])) || strings.Contains(rest, "'") {
			t.Errorf("%s: shows what is in the file: %s", name, text)
		}
	}
}

// TestAKeyThatMayBeASecretIsNotRepeated has secrets where a key belongs. Of each only
// its place is said.
func TestAKeyThatMayBeASecretIsNotRepeated(t *testing.T) {
	const hidden = "a key is no option, nor nearly one"
	for name, c := range map[string]struct{ file, text, secret, want string }{
		"behind a slip":      {"m.yaml", "listen: 127.0.0.1:1\nmetrics_tokn hunter2: x\n", "hunter2", "line 2, column 1: " + hidden},
		"behind a name":      {"m.yaml", "metrics_token hunter2: x\n", "hunter2", "line 1, column 1: a key with metrics_token and more in its name"},
		"glued to a slip":    {"m.yaml", "metrics_tokn_hunter2: x\n", "hunter2", "line 1, column 1: " + hidden},
		"of capitals":        {"m.yaml", "log:\n  format: json\n  Fhunter2: x\n", "hunter2", "line 3, column 3: " + hidden},
		"of small letters":   {"m.yaml", "5f1d77b00c2191e43de8: x\n", "5f1d", "line 1, column 1: " + hidden},
		"a short word":       {"m.yaml", "lisa: x\n", "lisa", "line 1, column 1: " + hidden},
		"a long word":        {"m.yaml", "\"" + strings.Repeat("listen_", 20) + "\": x\n", "listen_listen", "line 1, column 1: " + hidden},
		"another language's": {"m.yaml", "lïsten: x\n", "lïsten", "line 1, column 1: " + hidden},
		"an explicit one":    {"m.yaml", "? hunter2\n: y\n", "hunter2", hidden},
		"by an alias":        {"m.yaml", "log: &l\n  format: json\nhunter2: *l\n", "hunter2", hidden},
		"one edit too many":  {"m.yaml", "log_formatwxyz: 1\n", "wxyz", "line 1, column 1: " + hidden},
		"flow":               {"m.yaml", "log: {format: json, hunter2: x}\n", "hunter2", "line 1, column 21: " + hidden},
		"an empty one":       {"m.yaml", "hunter2: {}\n", "hunter2", "line 1, column 1: " + hidden},
		"TOML":               {"m.toml", "listen = \"127.0.0.1:1\"\n\n  \"hunter2 x\" = 1\n", "hunter2", "line 3, column 3: " + hidden},
		"a TOML table":       {"m.toml", "[log]\nformat = \"json\"\nhunter2 = 1\n", "hunter2", "line 3, column 1: " + hidden},
		"a TOML table alone": {"m.toml", "[log.hunter2]\n", "hunter2", "line 1, column 6: " + hidden},
		"TOML tables":        {"m.toml", "[[hunter2]]\na = 1\n", "hunter2", "line 1, column 3: " + hidden},
		"a TOML inline":      {"m.toml", "log = {format = \"json\", hunter2.x = 1}\n", "hunter2", "line 1, column 33: " + hidden},
		"JSON":               {"m.json", "{\"listen\": \"127.0.0.1:1\",\n\t\"hunter2\": 1}", "hunter2", "line 2, column 2: " + hidden},
		"JSON in JSON":       {"m.json", "{\"log\": {\"format\": \"json\",\n\n \"x\": [{\"a\": 1}],\n  \"hunt\\u0065r2\" : {\"y\": 1}}}", "hunter2", "line 4, column 21: " + hidden},
	} {
		path := filepath.Join(t.TempDir(), c.file)
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := readConfigFile(path, ".")
		if err == nil || !strings.Contains(err.Error(), path+": "+c.want) {
			t.Errorf("%s: got %v, want %q in it", name, err, c.want)
		}
		if err != nil && strings.Contains(strings.ReplaceAll(err.Error(), path, ""), c.secret) {
			t.Errorf("%s: shows what is in the file: %v", name, err)
		}
	}
}

// TestAnOptionIsSetOnce: of two that contradict each other, neither is taken.
func TestAnOptionIsSetOnce(t *testing.T) {
	for name, c := range map[string]struct{ file, text, want string }{
		"dash and underscore":  {"m.json", "{\"log_level\": \"debug\",\n \"log-level\": \"error\"}", "line 2, column 2: log-level"},
		"underscore and table": {"m.json", "{\"log_level\": \"debug\", \"log\": {\"level\": \"error\"}}", "line 1, column 32: log-level"},
		"dot and table":        {"m.json", "{\"log.level\": \"debug\", \"log\": {\"level\": \"error\"}}", "line 1, column 32: log-level"},
		"of a table in YAML":   {"m.yaml", "log:\n  level: debug\nlog_level: error\n", "line 3, column 1: log-level"},
		"behind an anchor":     {"m.yaml", "log: &a {level: debug}\nlog_level: error\n", "line 2, column 1: log-level"},
		"behind a tag":         {"m.yaml", "log: !!map {level: debug}\nlog_level: error\n", "line 2, column 1: log-level"},
		"merged":               {"m.yaml", "log: &a {level: debug}\n<<: {log_level: error}\n", "log-level"},
		"in TOML":              {"m.toml", "log-level = \"debug\"\n[log]\nlevel = \"error\"\n", "line 3, column 1: log-level"},
	} {
		path := filepath.Join(t.TempDir(), c.file)
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := readConfigFile(path, ".")
		if err == nil || strings.Count(err.Error(), "is set already") != 1 || !strings.Contains(err.Error(), path+": "+c.want+" is set already") {
			t.Errorf("%s: got %v, want %q in it", name, err, c.want)
		}
	}
}

// TestAValueThatIsNoneIsNotRepeated has secrets in lists, tables and behind the end,
// where a wrong indent puts them.
func TestAValueThatIsNoneIsNotRepeated(t *testing.T) {
	const several = " must be one value"
	for name, c := range map[string]struct{ file, text, want string }{
		"YAML, a list":          {"m.yaml", "trusted_proxy:\n  - vault_token: hunter2\n", "line 1, column 1: trusted_proxy" + several},
		"YAML, a list of texts": {"m.yaml", "root_secret: [hunter2, x]\n", "line 1, column 1: root_secret" + several},
		"YAML, an empty table":  {"m.yaml", "metrics_token: {}\n", "line 1, column 1: metrics_token" + several},
		"YAML, two documents":   {"m.yaml", "listen: 127.0.0.1:1\n---\nhunter2: 1\n", "line 3, column "},
		"TOML, a list":          {"m.toml", "backup_recipient = [{metrics_token = \"hunter2\"}]\n", "line 1, column 1: backup_recipient" + several},
		"TOML, tables":          {"m.toml", "[[listen]]\nhunter2 = 1\n", "line 1, column 3: listen" + several},
		"JSON, a list":          {"m.json", "{\"log\": {\"level\": [{\"hunter2\": 1}]}}", "line 1, column 10: log.level" + several},
		"JSON, and more":        {"m.json", "{\"listen\": \"127.0.0.1:1\"}\n hunter2 {", "line 2, column 2: no valid JSON"},
	} {
		path := filepath.Join(t.TempDir(), c.file)
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := readConfigFile(path, ".")
		if err == nil || !strings.Contains(err.Error(), path+": "+c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want %q in it, and no secret", name, err, c.want)
		}
	}
}

// TestAMistypedKeyIsNamed: a slip of an option's name is repeated, with the option.
func TestAMistypedKeyIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.yaml")
	if err := os.WriteFile(path, []byte("log:\n  fromat: json\nmetric_token: x\nlog_formatxyz: json\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := readConfigFile(path, ".")
	for _, want := range []string{"log.fromat is no option; did you mean log_format?", "metric_token is no option; did you mean metrics_token?",
		"log_formatxyz is no option; did you mean log_format?"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}

// TestAKeyWithoutValueIsRefused: it once was the text <nil>, even of a password.
func TestAKeyWithoutValueIsRefused(t *testing.T) {
	for name, text := range map[string]string{"maestro.yaml": "admin_password:\n", "maestro.json": `{"admin_password": null}`} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if found, err := readConfigFile(path, "."); err == nil || !strings.Contains(err.Error(), "admin_password has no value") {
			t.Errorf("%s: %v, %v", name, found, err)
		}
	}
}
