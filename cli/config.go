package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/knadh/koanf/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"maestro/problem"
	"maestro/secrets"
)

// ConfigError says everything that is wrong with the configuration.
type ConfigError struct {
	Problems []string

	// Later says that nothing is wrong but that a source of secrets gave no answer:
	// another start may have one.
	Later bool
}

func (e *ConfigError) Error() string {
	if e.Later {
		return "secrets could not be read:\n  " + strings.Join(e.Problems, "\n  ")
	}
	return "the configuration does not hold:\n  " + strings.Join(e.Problems, "\n  ")
}

// configNames are the configuration files looked for in the working directory
// when none is named.
var configNames = []string{"maestro.toml", "maestro.yaml", "maestro.json"}

// maxSecretFileBytes bounds a file named by a _FILE variable.
const maxSecretFileBytes = 64 << 10

// addFlags gives every option of the table that may have one its flag.
func addFlags[S any](flags *pflag.FlagSet, table []option[S]) {
	for _, o := range table {
		if o.secret {
			continue
		}
		text := o.help
		if o.preset != "" && !o.boolean {
			text += " (default " + o.preset + ")"
		}
		text += " [" + variable(o.name) + "]"
		if o.boolean {
			flags.Bool(o.name, false, text)
			continue
		}
		flags.Var(&textFlag{unit: o.unit}, o.name, text)
	}
}

// textFlag is a flag whose help names what its value is.
type textFlag struct{ text, unit string }

func (f *textFlag) String() string { return f.text }
func (f *textFlag) Type() string   { return f.unit }
func (f *textFlag) Set(text string) error {
	f.text = text
	return nil
}

// layer is one source of settings, by option name. It is a koanf.Provider.
type layer map[string]any

// Read implements koanf.Provider.
func (l layer) Read() (map[string]any, error) { return l, nil }

// ReadBytes implements koanf.Provider.
func (l layer) ReadBytes() ([]byte, error) { return nil, errors.New("not bytes") }

// setting is the value of an option, and where it is from.
type setting struct {
	text   string
	source string // "" where it is the preset
}

// load reads the settings of a table: a flag wins over the environment, that
// over a file named in the environment, that over the configuration file, that
// over the preset. A secret that is a reference is read from where it leads.
// Everything that is wrong is named at once.
func load[S any](ctx context.Context, table []option[S], flags *pflag.FlagSet, lookup func(string) (string, bool), file layer) (S, error) {
	settings, failed, problems := loadAll(ctx, table, flags, lookup, file)
	if len(failed)+len(problems) == 0 {
		return settings, nil
	}
	failure := &ConfigError{Problems: problems, Later: len(problems) == 0}
	for _, u := range failed {
		failure.Problems = append(failure.Problems, u.problem)
		failure.Later = failure.Later && u.later
	}
	return settings, failure
}

// loadAll is load, and tells the secrets that could not be read from what else is
// wrong.
func loadAll[S any](ctx context.Context, table []option[S], flags *pflag.FlagSet, lookup func(string) (string, bool), file layer) (settings S, failed []unread, problems []string) {
	texts, problems := resolve(table, flags, lookup, file)
	failed, wrong := readSecrets(ctx, table, texts, flags, lookup, file)
	for _, u := range failed {
		texts[u.option] = setting{}
	}
	settings, unfit := apply(table, texts)
	for _, text := range slices.Concat(wrong, unfit) {
		if !slices.Contains(problems, text) { // a source's option is in two tables
			problems = append(problems, text)
		}
	}
	return settings, failed, problems
}

// apply reads the texts into settings.
func apply[S any](table []option[S], texts map[string]setting) (settings S, problems []string) {
	for _, o := range table {
		found := texts[o.name]
		if found.text == "" && found.source == "" {
			continue // not set, and without a preset
		}
		if err := o.apply(&settings, found.text); err != nil {
			problems = append(problems, found.source+": "+err.Error())
		}
	}
	return settings, problems
}

// resolve finds the text of every option, as load says, before it is read.
func resolve[S any](table []option[S], flags *pflag.FlagSet, lookup func(string) (string, bool), file layer) (texts map[string]setting, problems []string) {
	presets, named, environment, given := layer{}, layer{}, layer{}, layer{}
	source := make(map[string]string)
	for name := range file {
		source[name] = "the configuration file's " + strings.ReplaceAll(name, "-", "_")
	}
	for _, o := range table {
		presets[o.name] = o.preset
		if path, ok := lookup(variable(o.name) + "_FILE"); ok && path != "" {
			read := readSecretFile
			if o.secret {
				read = readPrivateFile
			}
			text, err := read(path)
			if err != nil {
				problems = append(problems, fmt.Sprintf("%s_FILE: %v", variable(o.name), err))
			} else {
				named[o.name], source[o.name] = text, variable(o.name)+"_FILE"
			}
		}
		if text, ok := lookup(variable(o.name)); ok && text != "" {
			environment[o.name], source[o.name] = text, variable(o.name)
		}
		if flag := flags.Lookup(o.name); flag != nil && flag.Changed && !o.secret {
			given[o.name], source[o.name] = flag.Value.String(), "--"+o.name
		}
	}
	// Names contain no such delimiter, so koanf takes them whole.
	merged := koanf.New("\x00")
	for _, l := range []layer{presets, file, named, environment, given} {
		if err := merged.Load(l, nil); err != nil {
			return nil, append(problems, err.Error())
		}
	}
	texts = make(map[string]setting, len(table))
	for _, o := range table {
		texts[o.name] = setting{merged.String(o.name), source[o.name]}
	}
	return texts, problems
}

// readSecretFile returns a file's content without the newline at its end.
func readSecretFile(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if info.Size() > maxSecretFileBytes {
		return "", fmt.Errorf("%s is larger than %d bytes", path, maxSecretFileBytes)
	}
	text, err := os.ReadFile(path)
	return strings.TrimRight(string(text), "\r\n"), err
}

// readPrivateFile is readSecretFile for what everybody on the machine must not be
// able to read.
func readPrivateFile(path string) (string, error) {
	text, err := secrets.ReadFile(path)
	var p *problem.Error
	if errors.As(err, &p) {
		return "", errors.New(p.Detail)
	}
	return text, err
}

// configFile reads the configuration file that the flag --config or the
// environment names, or the one in the working directory.
func (a *app) configFile(cmd *cobra.Command) (layer, error) {
	path, err := cmd.Flags().GetString("config")
	if err != nil {
		return nil, err
	}
	if text, ok := a.lookup("MAESTRO_CONFIG"); ok && path == "" {
		path = text
	}
	return readConfigFile(path, ".")
}

// readConfigFile reads the configuration file at path or, for "", the first of
// configNames that is in dir. A key that no option has is an error.
func readConfigFile(path, dir string) (layer, error) {
	if path == "" {
		for _, name := range configNames {
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
				path = filepath.Join(dir, name)
				break
			}
		}
	}
	if path == "" {
		return layer{}, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, &ConfigError{Problems: []string{err.Error()}}
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, &ConfigError{Problems: []string{err.Error()}}
	}
	exposed := secrets.Exposed(info)
	tree, err := parseConfig(filepath.Ext(path), text)
	if err != nil {
		return nil, &ConfigError{Problems: []string{path + ": " + err.Error()}}
	}
	keys := koanf.New(".")
	if err := keys.Load(layer(tree), nil); err != nil {
		return nil, &ConfigError{Problems: []string{path + ": " + err.Error()}}
	}
	var names []string
	for _, o := range serveOptions {
		names = append(names, o.name)
	}
	found, where, told := layer{}, keyPlaces(filepath.Ext(path), text), map[string]bool{}
	var failure ConfigError
	for _, key := range keys.Keys() {
		name := optionName(key)
		if !slices.Contains(names, name) {
			failure.Problems = append(failure.Problems, path+": "+unknownKey(key, name, names, where.of(key)))
			continue
		}
		second, again := where.again(name)
		if _, set := found[name]; again || set { // not every key of YAML has a place: one that is merged has none
			if !told[name] {
				failure.Problems = append(failure.Problems, path+": "+second.String()+name+" is set already, in this spelling or another")
			}
			told[name] = true
			continue
		}
		value := keys.Get(key)
		if value == nil {
			failure.Problems = append(failure.Problems, path+": "+key+" has no value: write one or leave it out")
			continue
		}
		if kind := reflect.TypeOf(value).Kind(); kind == reflect.Slice || kind == reflect.Map {
			failure.Problems = append(failure.Problems, path+": "+where.of(key).String()+key+" must be one value, several with commas between where it takes them")
			continue
		}
		found[name] = fmt.Sprint(value)
		if exposed && isSecret(name) && !secrets.IsReference(found[name].(string)) {
			failure.Problems = append(failure.Problems, fmt.Sprintf("%s: %s is a secret in a file that everybody on this machine may read: chmod 600 it and replace the secret, "+
				"or say where it is (%s)", path, key, secrets.Forms))
		}
	}
	if len(failure.Problems) > 0 {
		return nil, &failure
	}
	return found, nil
}

// optionName is the name of the option that a key sets.
func optionName(key string) string { return strings.NewReplacer("_", "-", ".", "-").Replace(key) }

// A key is repeated as a slip of an option's name when at most mostEdits of its
// letters, and at most one in lettersPerEdit, are wrong. More may be a secret.
const (
	mostEdits      = 3
	lettersPerEdit = 3
)

// keyShape is what the names of options are made of, with dots where they are nested.
var keyShape = regexp.MustCompile(`^[a-z0-9_.-]{1,64}$`)

// unknownKey says that no option has a key's name. Only a key that looks like a slip
// of an option's name is repeated. What else stands where a key belongs, or behind
// the name of a secret in a key, may be a secret: of that it says where it stands.
func unknownKey(key, name string, names []string, at place) string {
	for _, o := range serveOptions {
		if o.secret && strings.Contains(strings.ToLower(name), o.name) {
			return fmt.Sprintf("%sa key with %s and more in its name is no option (it is not repeated: %[2]s is a secret)", at, strings.ReplaceAll(o.name, "-", "_"))
		}
	}
	meant := nearest(name, names)
	if !keyShape.MatchString(key) || distance(name, meant) > min(mostEdits, len(name)/lettersPerEdit) {
		return at.String() + "a key is no option, nor nearly one (it is not repeated: it may be a secret)"
	}
	return fmt.Sprintf("%s is no option; did you mean %s?", key, strings.ReplaceAll(meant, "-", "_"))
}

// isSecret reports whether a server's option of that name is one.
func isSecret(name string) bool { return optionsNamed(name)[0].secret }

// unknownVariables returns a sentence for every variable of the environment that
// looks like an option and is none. It is no error: schedulers of containers set
// variables of such names for every service, such as MAESTRO_PORT.
func unknownVariables(environment []string) (warnings []string) {
	known := knownVariables()
	for _, entry := range environment {
		name, _, _ := strings.Cut(entry, "=")
		rest, ok := strings.CutPrefix(name, "MAESTRO_")
		if !ok {
			continue
		}
		rest = strings.ReplaceAll(strings.ToLower(rest), "_", "-")
		if !slices.Contains(known, rest) {
			warnings = append(warnings, fmt.Sprintf("%s in the environment is no option; the nearest is %s", name, variable(nearest(rest, known))))
		}
	}
	return warnings
}

// nearest returns the name that takes the fewest insertions, deletions and
// replacements to reach from text.
func nearest(text string, names []string) string {
	best, least := "", -1
	for _, name := range names {
		if d := distance(text, name); least < 0 || d < least {
			best, least = name, d
		}
	}
	return best
}

// distance is Levenshtein's, in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
