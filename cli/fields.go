package cli

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// fieldKind says how a flag's text becomes a member of JSON.
type fieldKind uint8

const (
	textField   fieldKind = iota
	numberField           // a finite number
	countField            // a whole number
	boolField             // --name or --name=false
	listField             // given several times, or with commas
	pairsField            // name=value, given several times
	objectField           // JSON
)

// field is one member of what a command creates or changes, as a flag.
type field struct {
	flag   string
	member string // of the JSON
	kind   fieldKind
	unit   string
	help   string
	words  []string // that it can be, for completion; nil for any
}

func addFields(c *cobra.Command, fields []field) {
	flags := c.Flags()
	for _, f := range fields {
		switch f.kind {
		case boolField:
			flags.Bool(f.flag, false, f.help)
		case listField:
			flags.StringSlice(f.flag, nil, f.help)
		case pairsField:
			flags.StringArray(f.flag, nil, f.help)
		default:
			flags.Var(&textFlag{unit: f.unit}, f.flag, f.help)
		}
		if f.words != nil {
			_ = c.RegisterFlagCompletionFunc(f.flag, cobra.FixedCompletions(f.words, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
		}
	}
}

// addClear gives a command that changes something the flag that empties members.
func addClear(c *cobra.Command, fields []field) {
	var names []string
	for _, f := range fields {
		names = append(names, f.flag)
	}
	c.Flags().StringSlice("clear", nil, "empty these: "+strings.Join(names, ", "))
	_ = c.RegisterFlagCompletionFunc("clear", cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
}

// readFields returns the members that the flags of cmd give. Whether their
// values are allowed is for the server to say.
func readFields(cmd *cobra.Command, fields []field) (map[string]any, error) {
	members := make(map[string]any)
	flags := cmd.Flags()
	for _, f := range fields {
		if !flags.Changed(f.flag) {
			continue
		}
		value, err := f.read(cmd)
		if err != nil {
			return nil, &usageError{fmt.Errorf("--%s: %w", f.flag, err)}
		}
		members[f.member] = value
	}
	if flags.Lookup("clear") == nil {
		return members, nil
	}
	cleared, err := flags.GetStringSlice("clear")
	for _, name := range cleared {
		i := slices.IndexFunc(fields, func(f field) bool { return f.flag == name })
		if i < 0 {
			return nil, usage("--clear: there is no " + name)
		}
		members[fields[i].member] = nil
	}
	return members, err
}

func (f *field) read(cmd *cobra.Command) (any, error) {
	flags := cmd.Flags()
	switch f.kind {
	case boolField:
		return flags.GetBool(f.flag)
	case listField:
		return flags.GetStringSlice(f.flag)
	case pairsField:
		pairs, err := flags.GetStringArray(f.flag)
		if err != nil {
			return nil, err
		}
		return parsePairs(pairs)
	}
	text := flags.Lookup(f.flag).Value.String()
	switch f.kind {
	case numberField:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || n-n != 0 { // infinity and NaN have no JSON
			return nil, fmt.Errorf("must be a number")
		}
		return n, nil
	case countField:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("must be a whole number")
		}
		return n, nil
	case objectField:
		var object map[string]any
		if err := json.Unmarshal([]byte(text), &object); err != nil {
			return nil, fmt.Errorf("must be a JSON object: %w", err)
		}
		return object, nil
	}
	return text, nil
}

// parsePairs reads name=value: numbers and bools as such, all else as text.
func parsePairs(pairs []string) (map[string]any, error) {
	values := make(map[string]any, len(pairs))
	for _, pair := range pairs {
		name, text, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("must be NAME=VALUE")
		}
		values[name] = attributeValue(text)
	}
	return values, nil
}

// attributeValue is a text as the number or bool that it spells, or itself.
func attributeValue(text string) any {
	if n, err := strconv.ParseFloat(text, 64); err == nil && n-n == 0 {
		return n
	}
	switch text {
	case "true":
		return true
	case "false":
		return false
	}
	return text
}

// decodeFields puts members into the client's type for them.
func decodeFields[T any](members map[string]any) (T, error) {
	var fields T
	text, err := json.Marshal(members)
	if err == nil {
		err = json.Unmarshal(text, &fields)
	}
	return fields, err
}

// readPatch is readFields for a command that changes something.
func readPatch[T any](cmd *cobra.Command, fields []field) (T, error) {
	members, err := readFields(cmd, fields)
	if err == nil && len(members) == 0 {
		err = usage("nothing to change: see " + cmd.CommandPath() + " --help")
	}
	if err != nil {
		var none T
		return none, err
	}
	return decodeFields[T](members)
}
