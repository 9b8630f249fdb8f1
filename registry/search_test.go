package registry

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestTokens(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       []string
	}{
		{"nothing", "", nil},
		{"nothing but signs", " \t\n-_!?…—🎵\u200b\ufeff", nil},
		{"words, each once", "Churn, churn and CHURN!", []string{"churn", "and"}},
		{"snake", "customer_features", []string{"customerfeatures", "customer", "features"}},
		{"kebab", "customer-features", []string{"customerfeatures", "customer", "features"}},
		{"camel", "customerFeatures", []string{"customerfeatures", "customer", "features"}},
		{"Pascal", "CustomerFeatures", []string{"customerfeatures", "customer", "features"}},
		{"an abbreviation", "parseXMLFile", []string{"parsexmlfile", "parse", "xml", "file"}},
		{"an abbreviation alone", "NLP", []string{"nlp"}},
		{"a name that people write in one", "XGBoost", []string{"xgboost", "xg", "boost"}},
		{"digits", "ResNet50", []string{"resnet50", "resnet", "res", "net", "50"}},
		{"a version at the end", "features_v2", []string{"featuresv2", "features", "v2", "v", "2"}},
		{"a version", "2.1.0", []string{"2", "1", "0"}},
		{"underscores around", "__init__", []string{"init"}},
		{"doubled joints separate", "a__b--c", []string{"a", "b", "c"}},
		{"a joint at the end", "churn- model_", []string{"churn", "model"}},
		{"accents", "Café CAFÉ Cafe\u0301", []string{"cafe"}},
		{"Polish and Nordic", "Łódź Ångström Smørrebrød", []string{"lodz", "angstrom", "smorrebrod"}},
		{"sharp s", "Straße STRASSE", []string{"strasse"}},
		{"a ligature, full width, superscript", "ﬁnance ＦＵＬＬ x²", []string{"finance", "full", "x2", "x", "2"}},
		{"Turkish dotted and dotless I", "İstanbul ılık", []string{"istanbul", "ilik"}},
		{"Greek, final sigma", "ΌΣΟΣ όσος", []string{"οσοσ"}},
		{"Cyrillic", "Район", []string{"раион"}},
		{"Japanese keeps its voicing marks", "がか がか", []string{"がか"}},
		{"Hangul", "머신러닝", []string{"머신러닝"}},
		{"Chinese", "客户流失,模型", []string{"客户流失", "模型"}},
		{"Hindi keeps its vowels", "कुल कल", []string{"कुल", "कल"}},
		{"Arabic digits", "model٤٢", []string{"model٤٢", "model", "٤٢"}},
		{"a mark alone is no word", "\u0301 \u0941", nil},
		{"broken UTF-8 separates", "churn\xff\xfemodel \xc3", []string{"churn", "model"}},
		{"NUL and control characters separate", "a\x00b\x1b[31mc", []string{"a", "b", "31mc", "31", "mc"}},
		{"a replacement character is no letter", "a\ufffdb", []string{"a", "b"}},
		{"a word of great length is cut", strings.Repeat("x", 1000), []string{strings.Repeat("x", 64)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Tokens(test.text)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestQueryTerms(t *testing.T) {
	for _, test := range []struct {
		name, query string
		want        []string
	}{
		{"nothing", " \n", nil},
		{"words", "Customer  features", []string{"customer", "features"}},
		{"snake is split", "customer_feat", []string{"customer", "feat"}},
		{"kebab is split", "resnet-50", []string{"resnet", "50"}},
		{"camel is one word", "XGBoost", []string{"xgboost"}},
		{"digits stay", "ResNet50", []string{"resnet50"}},
		{"accents", "MÜLLER", []string{"muller"}},
		{"operators are nothing special", `"churn" AND NEAR(x) OR -y*`, []string{"churn", "and", "near", "x", "or", "y"}},
		{"at most 16 terms", strings.Repeat("a ", 1000), slices.Repeat([]string{"a"}, 16)},
		{"a term of great length is cut as tokens are", strings.Repeat("x", 100), []string{strings.Repeat("x", 64)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, QueryTerms(test.query)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// found reports whether a text answers a query: every term among its tokens,
// the last one as a prefix.
func found(text, query string) bool {
	tokens, terms := Tokens(text), QueryTerms(query)
	for i, term := range terms {
		if !slices.Contains(tokens, term) && (i < len(terms)-1 || !hasPrefix(tokens, term)) {
			return false
		}
	}
	return len(terms) > 0
}

func TestSpellingsFindOneAnother(t *testing.T) {
	for _, test := range []struct{ text, query string }{
		{"CustomerFeatures", "customer_features"},
		{"customer_features", "CustomerFeatures"},
		{"customer-features", "customer feat"},
		{"customer features", "customer_features"},
		{"XGBoost", "xgboost"},
		{"xgboost", "XGBoost"},
		{"PyTorch Lightning", "torch light"},
		{"ResNet50", "resnet 50"},
		{"resnet-50", "ResNet50"},
		{"churn_features_v2", "features v2"},
		{"Modèle prédictif", "modele predi"},
		{"Modele predictif", "modèle prédi"},
		{"Straße", "STRASSE"},
	} {
		if !found(test.text, test.query) {
			t.Errorf("%q does not find %q: %q in %q", test.query, test.text, QueryTerms(test.query), Tokens(test.text))
		}
	}
	for _, test := range []struct{ text, query string }{
		{"churn model", "chur model"}, // only the last term is a prefix
		{"churn model", "model x"},
		{"churn", "urn"},
	} {
		if found(test.text, test.query) {
			t.Errorf("%q finds %q", test.query, test.text)
		}
	}
}

var anyWords = rapid.OneOf(
	anyText,
	rapid.StringMatching(`([A-Za-z0-9_\-é]{0,12}[ .,])*`),
	rapid.StringOf(rapid.SampledFrom([]rune("aAéÉßſİıσςΣǅﬁ²½٤Ａ_- \u0301\u0345\u3099がकु머ᎠꭰÅ\u1e9e\u200d🎵"))),
)

func TestTokensLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := anyWords.Draw(t, "text")
		tokens := Tokens(text)
		seen := map[string]bool{}
		for _, token := range tokens {
			if seen[token] {
				t.Fatalf("%q stands twice", token)
			}
			seen[token] = true
			if token == "" || !utf8.ValidString(token) || utf8.RuneCountInString(token) > MaxTokenRunes {
				t.Fatalf("%q is no token", token)
			}
			if strings.ContainsFunc(token, func(r rune) bool { return !isWord(r) }) {
				t.Fatalf("%q has more than letters and digits", token)
			}
			if again := Tokens(token); len(again) == 0 || again[0] != token {
				t.Fatalf("the token %q is read as %q", token, again)
			}
		}
		for _, term := range QueryTerms(text) {
			if term == "" {
				t.Fatal("an empty term")
			}
			if len(text) < MaxQueryBytes && !seen[term] {
				t.Fatalf("the term %q of a text is not among its tokens %q", term, tokens)
			}
		}
	})
}

func TestSearchIsBounded(t *testing.T) {
	const size = 10_000_000
	var distinct strings.Builder
	for i := 0; distinct.Len() < size; i++ {
		fmt.Fprintf(&distinct, "w%x ", i)
	}
	for name, text := range map[string]string{
		"one word":               strings.Repeat("x", size),
		"short words":            strings.Repeat("a ", size/2),
		"distinct words":         distinct.String(),
		"joints":                 strings.Repeat("_", size),
		"one compound":           strings.Repeat("aB1_", size/4),
		"accents":                "a" + strings.Repeat("\u0301", size/2),
		"marks that stay":        "か" + strings.Repeat("\u3099", size/3),
		"broken UTF-8":           strings.Repeat("\x80", size),
		"a character at the cut": strings.Repeat("x", MaxIndexedBytes-1) + strings.Repeat("é", size/2),
		"expanding characters":   strings.Repeat("\ufdfa", size/3),
	} {
		t.Run(name, func(t *testing.T) {
			tokens := Tokens(text)
			if len(tokens) > MaxTokens {
				t.Errorf("%d tokens", len(tokens))
			}
			total := 0
			for _, token := range tokens {
				total += len(token)
				if !utf8.ValidString(token) {
					t.Errorf("%q is broken", token)
				}
			}
			if limit := MaxTokens * MaxTokenRunes * utf8.UTFMax; total > limit {
				t.Errorf("%d bytes of tokens", total)
			}
			if terms := QueryTerms(text); len(terms) > MaxQueryTerms {
				t.Errorf("%d terms", len(terms))
			}
		})
	}
}

func TestRelevance(t *testing.T) {
	artifact := func(name, tags, description string) *Artifact {
		return &Artifact{ArtifactFields: ArtifactFields{Name: name, Tags: strings.Fields(tags), Description: description}}
	}
	// Each is less relevant to "churn model" than the one before.
	falling := []struct {
		why string
		a   *Artifact
	}{
		{"the name is the query", artifact("Churn_Model", "", "")},
		{"the name begins with the query", artifact("churn-model-north", "", "")},
		{"both words are in the name", artifact("the model of churn", "", "")},
		{"one in the name, the other begins a word of it", artifact("old churn models", "", "")},
		{"both are tags", artifact("x", "churn model", "")},
		{"both are in the description", artifact("x", "", "A model that foretells churn.")},
		{"one is in the description", artifact("x", "", "A model.")},
		{"neither stands anywhere", artifact("x", "y", "z")},
	}
	before := 2.0
	for _, test := range falling {
		got := Relevance(QueryTerms("churn model"), test.a)
		if got >= before {
			t.Errorf("%s: got %v, want less than %v", test.why, got, before)
		}
		before = got
	}
	for _, test := range []struct {
		name  string
		query string
		a     *Artifact
		want  float64
	}{
		{"no terms", " ", artifact("", "", ""), 0},
		{"the whole name, spelt otherwise", "customerFeatures", artifact("customer_features", "", ""), 1},
		{"accents and case", "modele", artifact("MODÈLE", "", ""), 1},
		{"a name still being typed", "cust", artifact("customer_features", "", ""), 0.9},
		{"a later word still being typed", "feat", artifact("customer_features", "", ""), 0.6},
		{"a tag still being typed", "tab", artifact("x", "tabular", ""), 0.4},
		{"a description's word still being typed", "fore", artifact("x", "", "It foretells."), 0.2},
		{"a name of signs", "x", artifact("!!!", "", ""), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Relevance(QueryTerms(test.query), test.a); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestRelevanceStaysInBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := anyArtifact.Draw(t, "artifact")
		terms := QueryTerms(rapid.OneOf(anyWords, rapid.Just(a.Name), rapid.Just(a.Description)).Draw(t, "query"))
		if got := Relevance(terms, a); !(got >= 0 && got <= 1) {
			t.Fatalf("got %v", got)
		}
	})
}

func BenchmarkTokens(b *testing.B) {
	for name, text := range map[string]string{
		"name":        "customer_churn_features-v2",
		"description": strings.Repeat("Features of a customer, for models that foretell churn. ", 20),
		"accents":     strings.Repeat("Modèle prédictif de l'attrition des clients. ", 20),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				Tokens(text)
			}
		})
	}
}
