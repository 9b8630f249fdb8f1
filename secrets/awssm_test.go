package secrets

import (
	"net/http"
	"testing"
	"time"
)

func TestAWSGivesASecret(t *testing.T) {
	for _, session := range []string{"", canarySession} {
		a := newFakeAWS(t)
		a.session = session
		settings := a.settings()
		settings.SessionToken = session
		reader := NewReader(quick(Config{AWS: settings}, nil))
		reads(t, reader, "awssm://maestro#metrics", canaryValue)
		reads(t, reader, "awssm://maestro#other", "second")
		reads(t, reader, "awssm://maestro?stage=AWSPREVIOUS#metrics", "the older "+canaryValue)
		reads(t, reader, "awssm://prod/plain", canaryValue)
		reads(t, reader, "awssm://text-as-binary", canaryValue)
		reads(t, reader, "awssm://arn:aws:secretsmanager:eu-central-1:123456789012:secret:maestro-AbCdEf#metrics", canaryValue)
		if n := len(a.seen()); n != 5 {
			t.Errorf("was asked %d times, want 5: once for each secret and stage", n)
		}
	}
}

func TestAWSWithoutTheSecret(t *testing.T) {
	a := newFakeAWS(t)
	for reference, says := range map[string]string{
		"awssm://nothing":                "has no such secret in eu-central-1",
		"awssm://maestro?stage=NONE":     "or no such stage of it",
		"awssm://maestro#metrisc":        `has no key "metrisc"`,
		"awssm://maestro#number":         "is no text",
		"awssm://prod/plain#metrics":     "is no JSON object",
		"awssm://binary":                 "is binary: store it as text",
		"awssm://text-as-binary#metrics": "is binary and has no keys",
		"awssm://neither":                "without the value of a secret",
		"awssm://of-others":              "does not permit secretsmanager:GetSecretValue",
		"awssm://sealed":                 "cannot decrypt the secret",
		"awssm://deleted":                "marked for deletion",
		"awssm://odd":                    "does not take the name",
	} {
		fails(t, NewReader(quick(Config{AWS: a.settings()}, nil)), reference, says, false)
	}
}

// TestTheSignatureIsLookedAt: the service knows who asks by the signature alone.
func TestTheSignatureIsLookedAt(t *testing.T) {
	for name, test := range map[string]struct {
		says   string
		change func(*AWS, *fakeAWS)
	}{
		"another key":              {"refuses the signature: aws-secret-access-key does not belong", func(s *AWS, _ *fakeAWS) { s.SecretAccessKey = "another" }},
		"an unknown key id":        {"does not know the access key", func(s *AWS, _ *fakeAWS) { s.AccessKeyID = "AKIDOTHER" }},
		"another region":           {"refuses the signature", func(s *AWS, _ *fakeAWS) { s.Region = "eu-west-1" }},
		"no session token":         {"its session token does not belong", func(_ *AWS, a *fakeAWS) { a.session = canarySession }},
		"an ended session token":   {"whose time is over", func(s *AWS, a *fakeAWS) { a.session, s.SessionToken = canarySession, "old" }},
		"a clock that goes wrong":  {"this machine's clock is -1h0m0s from its own", func(_ *AWS, a *fakeAWS) { a.clock = now().Add(time.Hour) }},
		"a clock a little too far": {"this machine's clock is 5m1s from its own", func(_ *AWS, a *fakeAWS) { a.clock = now().Add(-5*time.Minute - time.Second) }},
	} {
		t.Run(name, func(t *testing.T) {
			a := newFakeAWS(t)
			settings := a.settings()
			test.change(&settings, a)
			fails(t, NewReader(quick(Config{AWS: settings}, nil)), "awssm://maestro#metrics", test.says, false)
		})
	}
}

func TestAWSFailing(t *testing.T) {
	coded := func(status int, code string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Amzn-ErrorType", code+":http://internal.amazon.com/")
			w.WriteHeader(status)
			echo(w, r)
		}
	}
	failing(t, "awssm://maestro#metrics", []fault{
		{"throttled", "too many requests", true, 4, coded(400, "ThrottlingException")},
		{"internal", "failed (500)", true, 4, coded(500, "InternalServiceError")},
		{"an unknown code that is a secret", "does not take the request (400)", false, 1, coded(400, canaryKey)},
	}, func(t *testing.T) (*fakeService, Config) {
		a := newFakeAWS(t)
		return &a.fakeService, Config{AWS: a.settings()}
	})
}

func TestAWSIsReachedAsItIsConfiguredOrNotAtAll(t *testing.T) {
	for name, test := range map[string]struct {
		says   string
		change func(*AWS)
	}{
		"no region":             {"aws-region must be", func(s *AWS) { s.Region = "" }},
		"a region that is none": {"aws-region must be", func(s *AWS) { s.Region = "x.attacker.example/" }},
		"no key id":             {"are not both set", func(s *AWS) { s.AccessKeyID = "" }},
		"no key":                {"are not both set", func(s *AWS) { s.SecretAccessKey = "" }},
		"plain HTTP":            {"must begin with https://", func(s *AWS) { s.Endpoint = "http://aws.example" }},
		"a key of two lines":    {"aws-secret-access-key is not one line", func(s *AWS) { s.SecretAccessKey = canaryKey + "\n" + canaryKey }},
	} {
		t.Run(name, func(t *testing.T) {
			a := newFakeAWS(t)
			settings := a.settings()
			test.change(&settings)
			// What the environment, a profile or a metadata service would give is not used.
			t.Setenv("AWS_ACCESS_KEY_ID", accessKeyID)
			t.Setenv("AWS_SECRET_ACCESS_KEY", canaryKey)
			t.Setenv("AWS_REGION", region)
			fails(t, NewReader(quick(Config{AWS: settings}, nil)), "awssm://maestro#metrics", test.says, false)
			if len(a.seen()) > 0 {
				t.Error("asked all the same")
			}
		})
	}
}

func TestTheAddressOfARegion(t *testing.T) {
	for name, want := range map[string]string{
		"eu-central-1": "https://secretsmanager.eu-central-1.amazonaws.com",
		"cn-north-1":   "https://secretsmanager.cn-north-1.amazonaws.com.cn",
	} {
		opened, err := NewReader(Config{AWS: AWS{Region: name, AccessKeyID: "x", SecretAccessKey: "y"}}).openAWS()
		if err != nil || opened.base.String() != want {
			t.Errorf("%s: got %v, %v; want %s", name, opened.base, err, want)
		}
	}
}
