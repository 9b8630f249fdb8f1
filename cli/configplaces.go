package cli

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/pelletier/go-toml/v2/unstable"
)

// place is where something stands in a file. Lines and columns count from 1; line 0
// is not known.
type place struct{ line, column int }

// String goes before a sentence about what stands there. It is empty where the place
// is not known.
func (p place) String() string {
	if p.line == 0 {
		return ""
	}
	return fmt.Sprintf("line %d, column %d: ", p.line, p.column)
}

// places holds where each key of a file stands, in the order of the file, by its path
// with dots between.
type places map[string][]place

func (p places) note(path string, at place) { p[path] = append(p[path], at) }

// of is where a key stands first.
func (p places) of(path string) place {
	if at := p[path]; len(at) > 0 {
		return at[0]
	}
	return place{}
}

// again is where the option of a name is set for the second time, in whichever spelling.
func (p places) again(option string) (second place, found bool) {
	var all []place
	for path, at := range p {
		if optionName(path) == option {
			all = append(all, at...)
		}
	}
	if len(all) < 2 {
		return place{}, false
	}
	slices.SortFunc(all, func(a, b place) int { return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column)) })
	return all[1], true
}

// keyPlaces finds the keys of the text of a configuration file, which parseConfig took.
func keyPlaces(extension string, text []byte) places {
	found := places{}
	switch extension {
	case ".toml":
		found.ofTOML(text)
	case ".json":
		decoder := json.NewDecoder(bytes.NewReader(text))
		found.ofJSON(decoder, text, "")
	default:
		if file, err := parser.ParseBytes(text, 0); err == nil && len(file.Docs) > 0 {
			found.ofYAML(file.Docs[0].Body, "")
		}
	}
	return found
}

// within is the path of a key in another.
func within(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// ofYAML notes the keys of a node, whose own path is given.
func (p places) ofYAML(node ast.Node, path string) {
	switch n := node.(type) {
	case *ast.AnchorNode:
		p.ofYAML(n.Value, path)
	case *ast.TagNode:
		p.ofYAML(n.Value, path)
	case *ast.MappingNode:
		for _, value := range n.Values {
			p.ofYAML(value, path)
		}
	case *ast.MappingValueNode:
		if key := n.Key.GetToken(); key != nil && key.Position != nil {
			below := within(path, key.Value)
			p.note(below, place{key.Position.Line, key.Position.Column})
			p.ofYAML(n.Value, below)
		}
	}
}

// ofTOML notes the keys of a file. go-toml tells their places only through its unstable
// package.
func (p places) ofTOML(text []byte) {
	var reader unstable.Parser
	reader.Reset(text)
	table := ""
	for reader.NextExpression() {
		switch node := reader.Expression(); node.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = p.ofTOMLKey(&reader, node, "")
		case unstable.KeyValue:
			p.ofTOMLValue(&reader, node, table)
		}
	}
}

// ofTOMLKey notes where the last part of a dotted key stands, and returns its path.
func (p places) ofTOMLKey(reader *unstable.Parser, node *unstable.Node, path string) string {
	var last place
	for keys := node.Key(); keys.Next(); {
		path = within(path, string(keys.Node().Data))
		at := reader.Shape(keys.Node().Raw).Start
		last = place{at.Line, at.Column}
	}
	p.note(path, last)
	return path
}

// ofTOMLValue notes the key of a value and, in a table, those in it.
func (p places) ofTOMLValue(reader *unstable.Parser, node *unstable.Node, path string) {
	path = p.ofTOMLKey(reader, node, path)
	if value := node.Value(); value.Kind == unstable.InlineTable {
		for members := value.Children(); members.Next(); {
			p.ofTOMLValue(reader, members.Node(), path)
		}
	}
}

// ofJSON notes the keys of the value that comes next.
func (p places) ofJSON(decoder *json.Decoder, text []byte, path string) {
	opened, err := decoder.Token()
	if err != nil || opened != json.Delim('{') && opened != json.Delim('[') {
		return
	}
	for decoder.More() {
		below := path // a list's members have no names
		if opened == json.Delim('{') {
			key, at, err := jsonKey(decoder, text)
			if err != nil {
				return
			}
			below = within(path, key)
			p.note(below, at)
		}
		p.ofJSON(decoder, text, below)
	}
	_, _ = decoder.Token() // what closes it; the text was read before
}

// jsonKey reads the key that comes next in an object, and finds where it stands.
func jsonKey(decoder *json.Decoder, text []byte) (key string, at place, err error) {
	start := int(decoder.InputOffset())
	token, err := decoder.Token()
	if err != nil {
		return "", place{}, err
	}
	return fmt.Sprint(token), placeOf(text, start+bytes.IndexByte(text[start:], '"')), nil
}

// placeOf is where the byte at offset stands.
func placeOf(text []byte, offset int) place {
	before := text[:offset]
	return place{bytes.Count(before, []byte("\n")) + 1, offset - bytes.LastIndexByte(before, '\n')}
}
