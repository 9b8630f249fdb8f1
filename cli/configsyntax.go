package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"
	"github.com/pelletier/go-toml/v2"
)

// parseConfig reads the text of a configuration file in the format of its
// extension. What is wrong is told by its position and in words of its own: what
// the libraries say quotes the file, which may hold secrets.
func parseConfig(extension string, text []byte) (tree map[string]any, err error) {
	switch extension {
	case ".toml":
		err = tomlSyntax(toml.Unmarshal(text, &tree))
	case ".yaml", ".yml":
		if err = yamlSyntax(yaml.Unmarshal(text, &tree)); err == nil {
			err = oneYAML(text)
		}
	case ".json":
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber()
		if err = jsonSyntax(decoder.Decode(&tree), text); err == nil {
			err = oneJSON(decoder, text)
		}
		if err == nil {
			err = repeatedJSON(json.NewDecoder(bytes.NewReader(text)), text)
		}
	default:
		err = errors.New("must end in .toml, .yaml or .json")
	}
	return tree, err
}

// errNoOptions says that a file is well formed and no set of options.
var errNoOptions = errors.New("must be names of options with their values")

func tomlSyntax(err error) error {
	if err == nil {
		return nil
	}
	var at *toml.DecodeError
	if errors.As(err, &at) {
		line, column := at.Position()
		return syntaxError("TOML", place{line, column})
	}
	return syntaxError("TOML", place{})
}

func yamlSyntax(err error) error {
	if err == nil {
		return nil
	}
	var at yaml.Error
	if !errors.As(err, &at) || at.GetToken() == nil || at.GetToken().Position == nil {
		return syntaxError("YAML", place{})
	}
	var unfit *yaml.TypeError
	var unexpected *yaml.UnexpectedNodeTypeError
	position := at.GetToken().Position
	if errors.As(err, &unfit) || errors.As(err, &unexpected) {
		return fmt.Errorf("%s%w", place{position.Line, position.Column}, errNoOptions)
	}
	return syntaxError("YAML", place{position.Line, position.Column})
}

// oneYAML refuses documents behind the first, which nobody would read.
func oneYAML(text []byte) error {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return yamlSyntax(err)
	}
	for _, further := range file.Docs[min(1, len(file.Docs)):] {
		if further.Body != nil {
			at := further.Body.GetToken().Position
			return fmt.Errorf("%sa second document, where one is read", place{at.Line, at.Column})
		}
	}
	return nil
}

// oneJSON refuses what stands behind the value that decoder read.
func oneJSON(decoder *json.Decoder, text []byte) error {
	rest := text[decoder.InputOffset():]
	if rest = bytes.TrimLeft(rest, " \t\r\n"); len(rest) == 0 {
		return nil
	}
	return jsonError(text, len(text)-len(rest))
}

// jsonError says that the byte at offset is wrong.
func jsonError(text []byte, offset int) error {
	return syntaxError("JSON", placeOf(text, offset))
}

// repeatedJSON refuses a key that stands twice in an object, as YAML's and TOML's readers
// do: encoding/json would take the last without a word.
func repeatedJSON(decoder *json.Decoder, text []byte) error {
	opened, err := decoder.Token()
	if err != nil || opened != json.Delim('{') && opened != json.Delim('[') {
		return nil //nolint:nilerr // the text was read before
	}
	keys := make(map[string]bool)
	for decoder.More() {
		if opened == json.Delim('{') {
			key, at, err := jsonKey(decoder, text)
			switch {
			case err != nil:
				return nil //nolint:nilerr // likewise
			case keys[key]:
				return fmt.Errorf("%sa key that its object has already", at)
			}
			keys[key] = true
		}
		if err := repeatedJSON(decoder, text); err != nil {
			return err
		}
	}
	_, _ = decoder.Token() // what closes it
	return nil
}

func jsonSyntax(err error, text []byte) error {
	if err == nil {
		return nil
	}
	var malformed *json.SyntaxError
	if errors.As(err, &malformed) && malformed.Offset > 0 && malformed.Offset <= int64(len(text)) {
		return jsonError(text, int(malformed.Offset)-1) // Offset counts the byte that is wrong
	}
	var unfit *json.UnmarshalTypeError
	if errors.As(err, &unfit) {
		return errNoOptions
	}
	return syntaxError("JSON", place{}) // it ends too early
}

// syntaxError says where a file is malformed.
func syntaxError(format string, at place) error {
	return fmt.Errorf("%sno valid %s (what is written there is not repeated: it may be a secret)", at, format)
}
