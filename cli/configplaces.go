package cli

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/pelletier/go-toml/v2/unstable"
)

// place is where something stands in a file. Lines and columns count from 1; line 0
// is not known.
type place struct{ line, column int }

// String is empty where the place is not known.
func (p place) String() string {
	if p.line == 0 {
		return ""
	}
	return fmt.Sprintf("line %d, column %d: ", p.line, p.column)
}

// places are those of the keys of a file, by the names of the keys that they are in
// and their own, with dots between. Of a key that is there twice it is the first.
type places map[string]place

func (p places) note(path string, at place) {
	if _, found := p[path]; !found {
		p[path] = at
	}
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

func (p places) ofYAML(node ast.Node, path string) {
	switch n := node.(type) {
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

func (p places) ofTOML(text []byte) {
	var parser unstable.Parser
	parser.Reset(text)
	table := ""
	for parser.NextExpression() {
		switch node := parser.Expression(); node.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = p.ofTOMLKey(&parser, node, "")
		case unstable.KeyValue:
			p.ofTOMLValue(&parser, node, table)
		}
	}
}

// ofTOMLKey notes where the last part of a dotted key stands, and returns its path.
func (p places) ofTOMLKey(parser *unstable.Parser, node *unstable.Node, path string) string {
	var last place
	for keys := node.Key(); keys.Next(); {
		path = within(path, string(keys.Node().Data))
		at := parser.Shape(keys.Node().Raw).Start
		last = place{at.Line, at.Column}
	}
	p.note(path, last)
	return path
}

func (p places) ofTOMLValue(parser *unstable.Parser, node *unstable.Node, path string) {
	path = p.ofTOMLKey(parser, node, path)
	if value := node.Value(); value.Kind == unstable.InlineTable {
		for members := value.Children(); members.Next(); {
			p.ofTOMLValue(parser, members.Node(), path)
		}
	}
}

func (p places) ofJSON(decoder *json.Decoder, text []byte, path string) {
	opened, err := decoder.Token()
	if err != nil || opened != json.Delim('{') && opened != json.Delim('[') {
		return
	}
	for decoder.More() {
		below := path // a list's members have no names
		if opened == json.Delim('{') {
			before := text[:decoder.InputOffset()]
			key, err := decoder.Token()
			if err != nil {
				return
			}
			before = text[:len(before)+bytes.IndexByte(text[len(before):], '"')]
			below = within(path, fmt.Sprint(key))
			p.note(below, place{bytes.Count(before, []byte("\n")) + 1, len(before) - bytes.LastIndexByte(before, '\n')})
		}
		p.ofJSON(decoder, text, below)
	}
	_, _ = decoder.Token() // what closes it; the text was read before
}
