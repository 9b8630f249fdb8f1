package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"maestro/tenancy"
)

// anyEvent is sealed behind any link.
var anyEvent = rapid.Custom(func(t *rapid.T) Event {
	id := func(name string) *tenancy.ID {
		if rapid.Bool().Draw(t, name+" is null") {
			return nil
		}
		id := tenancy.ID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, name))
		return &id
	}
	text := func(name string) string {
		return rapid.StringOf(rapid.SampledFrom([]rune("ab\"\\<>&é\u2028🎵\n"))).Draw(t, name)
	}
	e := Event{TenantID: id("tenant"), ActorKind: tenancy.ActorKind(text("kind")), ActorID: id("actor"), CredentialID: id("credential"), Address: text("address"),
		RequestID: text("request"), Action: Action(text("action")), Object: text("object"), Outcome: Outcome(text("outcome"))}
	link := Link{Sequence: rapid.Int64Range(0, 1<<50).Draw(t, "sequence"), Time: tenancy.Time(rapid.Int64Range(0, 4e15).Draw(t, "time"))}
	copy(link.Hash[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "hash"))
	changes := Updated().Text("name", text("before"), text("after")).Float("score", rapid.Float64Range(-1e9, 1e9).Draw(t, "score"), 0)
	e.Seal(link, tenancy.Time(rapid.Int64Range(0, 4e15).Draw(t, "now")), changes, nil)
	if fault := e.Follows(link); fault != nil {
		t.Fatalf("a new event does not follow: %v", fault)
	}
	return e
})

// TestTheCanonicalFormStays holds the form to its documentation, byte by byte: a
// change of it breaks every chain there is.
func TestTheCanonicalFormStays(t *testing.T) {
	tenant, actor := tenancy.ID{1}, tenancy.ID{2}
	e := Event{TenantID: &tenant, ActorKind: tenancy.ActorUser, ActorID: &actor, Address: "::1", RequestID: "r", Action: ProjectCreate, Object: "o", Outcome: Success}
	e.Seal(Link{}, 5, Created().Text("n", "", "é"), nil)
	zeros := strings.Repeat("00", 15)
	want := "00000015" + hex.EncodeToString([]byte("maestro audit event 1")) +
		"00000010" + "01" + zeros + "00000008" + "0000000000000001" + "00000008" + "0000000000000005" +
		"00000004" + hex.EncodeToString([]byte("user")) + "00000010" + "02" + zeros + "00000000" +
		"00000003" + hex.EncodeToString([]byte("::1")) + "00000001" + "72" + "0000000e" + hex.EncodeToString([]byte("project.create")) +
		"00000001" + "6f" + "00000007" + hex.EncodeToString([]byte("success")) +
		"00000000" + "0000000a" + hex.EncodeToString([]byte(`{"n":"é"}`)) + "00000020" + strings.Repeat("00", 32)
	if got := hex.EncodeToString(e.AppendCanonical(nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	raw, _ := hex.DecodeString(want)
	if e.Hash != sha256.Sum256(raw) {
		t.Error("the hash is not that of the canonical form")
	}
}

// TestNoTwoEventsShareACanonicalForm moves text from one field into the next.
func TestNoTwoEventsShareACanonicalForm(t *testing.T) {
	a, b := Event{Address: "ab", RequestID: "c"}, Event{Address: "a", RequestID: "bc"}
	if bytes.Equal(a.AppendCanonical(nil), b.AppendCanonical(nil)) {
		t.Error("two events have one form")
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyEvent.Draw(t, "a"), anyEvent.Draw(t, "b")
		if same, equal := bytes.Equal(a.AppendCanonical(nil), b.AppendCanonical(nil)), gocmp.Equal(a, b); same != equal {
			t.Fatalf("forms equal: %v, events equal: %v", same, equal)
		}
	})
}

// TestAnEventSurvivesItsJSON sends events as the server does.
func TestAnEventSurvivesItsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := anyEvent.Draw(t, "event")
		sent := e.AppendJSON(nil)
		var standard bytes.Buffer
		encoder := json.NewEncoder(&standard)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(&e); err != nil {
			t.Fatal(err)
		}
		if got, want := string(sent), strings.TrimSuffix(standard.String(), "\n"); got != want {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
		var read Event
		if err := json.Unmarshal(sent, &read); err != nil {
			t.Fatal(err)
		}
		if read.Sum(nil) != e.Hash || read.ID != EventID(read.Time, read.Hash) {
			t.Fatalf("%s does not have its hash any more", sent)
		}
	})
}

func TestChangesAreBounded(t *testing.T) {
	long := strings.Repeat("é", 300)
	c := Created()
	for range 100 {
		c.Text("name", "", long)
	}
	before, after := c.sides()
	if len(before) != 0 || len(after) > maxSide || !json.Valid(after) || !strings.Contains(string(after), "é…\"") {
		t.Errorf("%d and %d bytes: %.300s", len(before), len(after), after)
	}
	if before, after := (*Changes)(nil).sides(); before != nil || after != nil {
		t.Error("no changes say something")
	}
}

func TestChangesSayWhatDiffers(t *testing.T) {
	one, two := int64(1), int64(2)
	for name, test := range map[string]struct {
		changes       *Changes
		before, after string
	}{
		"nothing": {Updated().Text("a", "x", "x").Bool("b", true, true).IntOrNull("c", &one, new(int64(1))).Texts("d", nil, []string{}), "", ""},
		"created": {Created().Text("a", "", "x").Int("n", 0, 0).Texts("t", nil, []string{"p", "q"}), "", `{"a":"x","t":["p","q"]}`},
		"deleted": {Deleted().Text("a", "x", "").Note("reason", "logout"), `{"a":"x"}`, `{"reason":"logout"}`},
		"updated": {Updated().IntOrNull("n", &one, &two).Bool("b", true, false).FloatOrNull("f", nil, new(0.5)), `{"n":1,"b":true,"f":null}`, `{"n":2,"b":false,"f":0.5}`},
		"sizes":   {Updated().Size("m", "secret", "other!").Count("k", 3), `{"m":{"bytes":6}}`, `{"m":{"bytes":6},"k":3}`},
	} {
		before, after := test.changes.sides()
		if string(before) != test.before || string(after) != test.after {
			t.Errorf("%s: %s → %s, want %s → %s", name, before, after, test.before, test.after)
		}
	}
}

func TestStamp(t *testing.T) {
	tenant, other, user, session := tenancy.ID{1}, tenancy.ID{2}, tenancy.ID{3}, tenancy.ID{4}
	o := &Origin{Actor: tenancy.Actor{ID: user, Kind: tenancy.ActorUser}, Tenant: tenant, Credential: session, Address: netip.MustParseAddr("10.0.0.1"), RequestID: "r"}
	for name, test := range map[string]struct {
		origin *Origin
		tenant tenancy.ID
		want   Event
	}{
		"the server itself": {nil, tenant, Event{ActorKind: tenancy.ActorSystem}},
		"one's own tenant":  {o, tenant, Event{ActorKind: tenancy.ActorUser, ActorID: &user, CredentialID: &session, Address: "10.0.0.1", RequestID: "r"}},
		"the installation":  {o, tenancy.ID{}, Event{ActorKind: tenancy.ActorUser, ActorID: &user, CredentialID: &session, Address: "10.0.0.1", RequestID: "r"}},
		"another tenant":    {o, other, Event{ActorKind: ActorOperator, RequestID: "r"}},
		"nobody":            {&Origin{RequestID: "r"}, tenant, Event{ActorKind: ActorNobody, RequestID: "r"}},
	} {
		var e Event
		test.origin.Stamp(&e, test.tenant)
		if diff := gocmp.Diff(test.want, e); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
	if OriginOf(context.Background()) != nil || OriginOf(WithOrigin(context.Background(), o)) != o {
		t.Error("an origin does not travel in its context")
	}
}

func TestAnchors(t *testing.T) {
	for _, a := range []Anchor{{Sequence: 1}, {tenancy.NewID(), 41, Hash{9}}} {
		if got, err := ParseAnchor(a.String()); err != nil || got != a {
			t.Errorf("%s was read as %v, %v", a, got, err)
		}
	}
	good := Anchor{tenancy.NewID(), 41, Hash{9}}.String()
	for _, text := range []string{"", "x", good + ":", good[1:], strings.Replace(good, ":41:", ":0:", 1), strings.Replace(good, ":41:", ":-1:", 1), good[:len(good)-1],
		tenancy.ID{}.String() + ":1:" + Hash{}.String(), strings.ToUpper(good)} {
		if a, err := ParseAnchor(text); err == nil {
			t.Errorf("%q was read as %v", text, a)
		}
	}
}

func TestThePruneEventSaysWhatIsGone(t *testing.T) {
	through := Link{Sequence: 7, Hash: Hash{1, 2}, Time: 1_700_000_000_123_456}
	e := Event{Action: AuditPrune}
	e.Seal(Link{}, 1, Prune(through), nil)
	if got, ok := e.Pruned(); !ok || got != through {
		t.Errorf("got %+v, %v", got, ok)
	}
	e.Action = ProjectCreate
	if _, ok := e.Pruned(); ok {
		t.Error("another event prunes")
	}
}

// TestTheManualListsEveryAction compares the constants with docs/audit.md.
func TestTheManualListsEveryAction(t *testing.T) {
	manual, err := os.ReadFile("../docs/audit.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("action.go")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`Action = "([a-z_]+)(\.[a-z_]+)"`).FindAllStringSubmatch(string(source), -1)
	if len(found) < 40 {
		t.Fatalf("only %d actions are in the source", len(found))
	}
	for _, action := range found {
		kind, verb := action[1], action[2]
		line := regexp.MustCompile("`"+kind+`(\.[a-z_]+)`+"`"+"(?: `\\.[a-z_]+`)*").FindAllString(string(manual), -1)
		if !strings.Contains(strings.Join(line, " "), verb+"`") {
			t.Errorf("docs/audit.md does not list %s%s", kind, verb)
		}
	}
}
