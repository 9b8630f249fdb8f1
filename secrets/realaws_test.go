package secrets

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// TestAnotherSecretsManager does what the other tests do with our own fake with a
// service that others wrote, at the address that MAESTRO_TEST_AWS names: moto or
// LocalStack on loopback, for which every access key is good.
func TestAnotherSecretsManager(t *testing.T) {
	address := os.Getenv("MAESTRO_TEST_AWS")
	if address == "" {
		t.Skip("MAESTRO_TEST_AWS names no service")
	}
	settings := AWS{Region: region, Endpoint: address, AccessKeyID: accessKeyID, SecretAccessKey: canaryKey}
	name := "maestro/" + time.Now().UTC().Format("150405.000000")
	call := func(operation string, in map[string]any) {
		t.Helper()
		body, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequest(http.MethodPost, address+"/", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
		r.Header.Set("X-Amz-Target", "secretsmanager."+operation)
		sum := sha256.Sum256(body)
		key := awssdk.Credentials{AccessKeyID: accessKeyID, SecretAccessKey: canaryKey}
		if err := v4.NewSigner().SignHTTP(context.Background(), key, r, hex.EncodeToString(sum[:]), "secretsmanager", region, time.Now()); err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close() // its status is enough
		if response.StatusCode != 200 {
			t.Fatalf("%s: %d", operation, response.StatusCode)
		}
	}
	call("CreateSecret", map[string]any{"Name": name, "SecretString": `{"metrics":"the older ` + canaryValue + `"}`})
	call("PutSecretValue", map[string]any{"SecretId": name, "SecretString": `{"metrics":"` + canaryValue + `","number":7}`})
	call("CreateSecret", map[string]any{"Name": name + "-binary", "SecretBinary": []byte(canaryValue)})
	call("CreateSecret", map[string]any{"Name": name + "-deleted", "SecretString": canaryValue})
	call("DeleteSecret", map[string]any{"SecretId": name + "-deleted"})

	config := quick(Config{AWS: settings}, nil)
	config.Now = time.Now
	reader := NewReader(config)
	reads(t, reader, "awssm://"+name+"#metrics", canaryValue)
	reads(t, reader, "awssm://"+name, `{"metrics":"`+canaryValue+`","number":7}`)
	reads(t, reader, "awssm://"+name+"?stage=AWSPREVIOUS#metrics", "the older "+canaryValue)
	reads(t, reader, "awssm://"+name+"-binary", canaryValue)
	fails(t, reader, "awssm://"+name+"#number", "is no text", false)
	fails(t, reader, "awssm://"+name+"?stage=NONE", "has no such secret", false)
	fails(t, reader, "awssm://"+name+"-nothing", "has no such secret", false)
	fails(t, reader, "awssm://"+name+"-deleted", "marked for deletion", false)
}
