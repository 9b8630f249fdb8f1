package audit

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"maestro/tenancy"
)

// Bounds of what an event says of a change, in bytes.
const (
	maxText = 255     // of one text; the rest is cut off
	maxSide = 4 << 10 // of Before and of After; further fields are left out
)

// Changes collects what a change did: the fields that differ, with what they were
// and what they are. Its caller names every field; there is no way to hand it an
// object whole, so that nothing gets into the trail by being added to a type. What
// may hold anything (free text, free objects) goes in by Size.
//
// A nil *Changes says nothing.
type Changes struct {
	was, is       bool // there was an object before, and there is one after
	before, after []byte
}

// Created returns Changes for an object that is new: what is not zero is said.
func Created() *Changes { return &Changes{is: true} }

// Updated returns Changes for an object that was changed.
func Updated() *Changes { return &Changes{was: true, is: true} }

// Deleted returns Changes for an object that is gone: what was not zero is said.
func Deleted() *Changes { return &Changes{was: true} }

// Between returns Created, Updated or Deleted, as there is an object before and
// after, and both objects, the zero one for that which is not there.
func Between[T any](before, after *T) (*Changes, *T, *T) {
	c := &Changes{was: before != nil, is: after != nil}
	if before == nil {
		before = new(T)
	}
	if after == nil {
		after = new(T)
	}
	return c, before, after
}

// sides returns Before and After.
func (c *Changes) sides() (before, after tenancy.Object) {
	if c == nil {
		return nil, nil
	}
	return closed(c.before), closed(c.after)
}

func closed(side []byte) tenancy.Object {
	if len(side) == 0 {
		return nil
	}
	return append(side, '}')
}

// put writes one side of a field, if there is an object on that side and room.
func put(there bool, side *[]byte, name string, value func([]byte) []byte) {
	if !there {
		return
	}
	b, length := *side, len(*side)
	if length == 0 {
		b = append(make([]byte, 0, 128), '{')
	} else {
		b = append(b, ',')
	}
	b = append(b, '"')
	b = append(b, name...)
	b = append(b, '"', ':')
	if b = value(b); len(b) >= maxSide {
		b = b[:length]
	}
	*side = b
}

// Text notes a short text: a name, a word.
func (c *Changes) Text(name, before, after string) *Changes {
	if before != after {
		put(c.was, &c.before, name, func(b []byte) []byte { return appendCut(b, before) })
		put(c.is, &c.after, name, func(b []byte) []byte { return appendCut(b, after) })
	}
	return c
}

func appendCut(b []byte, text string) []byte {
	if len(text) <= maxText {
		return tenancy.AppendJSONString(b, text)
	}
	cut := maxText
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return tenancy.AppendJSONString(b, text[:cut]+"…")
}

// TextOrNull notes a short text that may be missing.
func (c *Changes) TextOrNull(name string, before, after *string) *Changes {
	if !same(before, after) {
		put(c.was, &c.before, name, func(b []byte) []byte { return appendOrNull(b, before, appendCut) })
		put(c.is, &c.after, name, func(b []byte) []byte { return appendOrNull(b, after, appendCut) })
	}
	return c
}

// Texts notes a list of short texts.
func (c *Changes) Texts(name string, before, after []string) *Changes {
	b, a := appendTexts(nil, before), appendTexts(nil, after)
	if !bytes.Equal(b, a) {
		put(c.was, &c.before, name, func(side []byte) []byte { return append(side, b...) })
		put(c.is, &c.after, name, func(side []byte) []byte { return append(side, a...) })
	}
	return c
}

func appendTexts(b []byte, texts []string) []byte {
	b = append(b, '[')
	for i, text := range texts {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendCut(b, text)
	}
	return append(b, ']')
}

// Bool notes a flag.
func (c *Changes) Bool(name string, before, after bool) *Changes {
	if before != after {
		put(c.was, &c.before, name, func(b []byte) []byte { return strconv.AppendBool(b, before) })
		put(c.is, &c.after, name, func(b []byte) []byte { return strconv.AppendBool(b, after) })
	}
	return c
}

// Int notes a whole number.
func (c *Changes) Int(name string, before, after int64) *Changes {
	if before != after {
		put(c.was, &c.before, name, func(b []byte) []byte { return strconv.AppendInt(b, before, 10) })
		put(c.is, &c.after, name, func(b []byte) []byte { return strconv.AppendInt(b, after, 10) })
	}
	return c
}

// IntOrNull notes a whole number that may be missing.
func (c *Changes) IntOrNull(name string, before, after *int64) *Changes {
	if !same(before, after) {
		put(c.was, &c.before, name, func(b []byte) []byte { return tenancy.AppendJSONIntOrNull(b, before) })
		put(c.is, &c.after, name, func(b []byte) []byte { return tenancy.AppendJSONIntOrNull(b, after) })
	}
	return c
}

// Float notes a number.
func (c *Changes) Float(name string, before, after float64) *Changes {
	return c.FloatOrNull(name, &before, &after)
}

// FloatOrNull notes a number that may be missing.
func (c *Changes) FloatOrNull(name string, before, after *float64) *Changes {
	if !same(before, after) {
		put(c.was, &c.before, name, func(b []byte) []byte { return tenancy.AppendJSONFloatOrNull(b, before) })
		put(c.is, &c.after, name, func(b []byte) []byte { return tenancy.AppendJSONFloatOrNull(b, after) })
	}
	return c
}

// Time notes a time that may be missing.
func (c *Changes) Time(name string, before, after *tenancy.Time) *Changes {
	if !same(before, after) {
		put(c.was, &c.before, name, func(b []byte) []byte { return tenancy.AppendJSONOrNull(b, before) })
		put(c.is, &c.after, name, func(b []byte) []byte { return tenancy.AppendJSONOrNull(b, after) })
	}
	return c
}

// ID notes a reference that may be missing.
func (c *Changes) ID(name string, before, after *tenancy.ID) *Changes {
	if !same(before, after) {
		put(c.was, &c.before, name, func(b []byte) []byte { return tenancy.AppendJSONOrNull(b, before) })
		put(c.is, &c.after, name, func(b []byte) []byte { return tenancy.AppendJSONOrNull(b, after) })
	}
	return c
}

// Size notes that something changed that may hold anything, by how many bytes it
// has: {"bytes": 120}.
func (c *Changes) Size(name string, before, after string) *Changes {
	if before != after {
		put(c.was, &c.before, name, func(b []byte) []byte { return appendSize(b, len(before)) })
		put(c.is, &c.after, name, func(b []byte) []byte { return appendSize(b, len(after)) })
	}
	return c
}

func appendSize(b []byte, size int) []byte {
	b = append(b, `{"bytes":`...)
	return append(strconv.AppendInt(b, int64(size), 10), '}')
}

// Note says something beside the fields, whatever became of the object; it stands
// in After.
func (c *Changes) Note(name, value string) *Changes {
	put(true, &c.after, name, func(b []byte) []byte { return appendCut(b, value) })
	return c
}

// Count says how many of something there were; it stands in After.
func (c *Changes) Count(name string, n int64) *Changes {
	put(true, &c.after, name, func(b []byte) []byte { return strconv.AppendInt(b, n, 10) })
	return c
}

func same[T comparable](a, b *T) bool {
	return a == b || a != nil && b != nil && *a == *b
}

func appendOrNull[T any](b []byte, value *T, appendValue func([]byte, T) []byte) []byte {
	if value == nil {
		return append(b, "null"...)
	}
	return appendValue(b, *value)
}
