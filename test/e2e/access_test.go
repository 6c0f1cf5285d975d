// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/hedgeward/hedgeward/test/rig"
)

// emptyHash is the SHA-256 of an empty body, which a GET has.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// reply is what the API answered, read as XML without a client.
type reply struct {
	status  int
	Code    string `xml:"Errors>Error>Code"`
	Message string `xml:"Errors>Error>Message"`
	Regions []struct {
		Name string `xml:"regionName"`
	} `xml:"regionInfo>item"`
	body string
}

func fetch(t *testing.T, method, url, body string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	r := reply{status: resp.StatusCode, body: string(b)}
	if err := xml.Unmarshal(b, &r); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return r
}

// presign returns a URL that asks with a GET, signed by the SDK at a time.
func presign(t *testing.T, a *rig.API, query url.Values, at time.Time) string {
	t.Helper()
	query.Set("Version", "2016-11-15")
	query.Set("X-Amz-Expires", "60")
	req, err := http.NewRequestWithContext(context.Background(), "GET", a.Endpoint+"/?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := a.Config.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	signed, _, err := v4.NewSigner().PresignHTTP(t.Context(), key, req, emptyHash, "ec2", "eu-central-1", at)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func TestPresignedURL(t *testing.T) {
	t.Parallel()
	a := rig.Shared(t).API
	ask := url.Values{"Action": {"DescribeRegions"}, "RegionName.1": {"eu-west-1"}}
	signed := presign(t, a, ask, time.Now())
	got := fetch(t, "GET", signed, "")
	if got.status != 200 || len(got.Regions) != 1 || got.Regions[0].Name != "eu-west-1" {
		t.Errorf("presigned GET: status %d: %s", got.status, got.body)
	}
	for _, c := range []struct {
		what, url, code string
		status          int
	}{
		{"another question with the same signature", strings.Replace(signed, "eu-west-1", "eu-west-2", 1), "AuthFailure", 401},
		{"a signature that has expired", presign(t, a, ask, time.Now().Add(-2*time.Minute)), "RequestExpired", 400},
		{"no signature", a.Endpoint + "/?Action=DescribeRegions&Version=2016-11-15", "MissingParameter", 400},
	} {
		if got := fetch(t, "GET", c.url, ""); got.status != c.status || got.Code != c.code {
			t.Errorf("%s: status %d, %s: %s; want %d, %s", c.what, got.status, got.Code, got.Message, c.status, c.code)
		}
	}
}

// TestWhatIsNotServed covers operations that EC2 has and this installation does
// not, and operations that nobody has.
func TestWhatIsNotServed(t *testing.T) {
	t.Parallel()
	a := rig.Shared(t).API
	for action, want := range map[string]string{"DescribeFlowLogs": "UnsupportedOperation", "MakeCoffee": "InvalidAction"} {
		got := fetch(t, "GET", presign(t, a, url.Values{"Action": {action}}, time.Now()), "")
		if got.status != 400 || got.Code != want {
			t.Errorf("%s: status %d, %s: %s; want 400, %s", action, got.status, got.Code, got.Message, want)
		}
	}
}

// TestKeysAndRegionsWithTheAWSCLI covers who may call and where, as the CLI shows
// it.
func TestKeysAndRegionsWithTheAWSCLI(t *testing.T) {
	t.Parallel()
	a := rig.Shared(t).API
	key, err := a.Config.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for what, lines := range map[string]string{
		"wrong secret": "aws_access_key_id = " + key.AccessKeyID + "\naws_secret_access_key = " + strings.Repeat("x", len(key.SecretAccessKey)),
		"unknown key":  "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = " + key.SecretAccessKey,
	} {
		credentials := filepath.Join(t.TempDir(), "credentials")
		if err := os.WriteFile(credentials, []byte("[hedgeward]\n"+lines+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Log(what)
		a.CLIRefuses(t, []string{"AWS_SHARED_CREDENTIALS_FILE=" + credentials},
			"AuthFailure", "AWS was not able to validate the provided access credentials", "ec2", "describe-vpcs")
	}

	account := a.AWS(t, "sts", "get-caller-identity", "--query", "Account", "--output", "text")
	arn := a.AWS(t, "sts", "get-caller-identity", "--query", "Arn", "--output", "text")
	if len(account) != 12 || !strings.HasPrefix(arn, "arn:aws:iam::"+account+":") {
		t.Errorf("caller is %s in account %s", arn, account)
	}

	show := []string{"ec2", "describe-vpcs", "--filters", "Name=is-default,Values=true", "--query", "Vpcs[].[VpcId,CidrBlock,OwnerId]", "--output", "text"}
	home, far := strings.Fields(a.AWS(t, show...)), strings.Fields(a.AWS(t, append(show, "--region", "ap-south-1")...))
	if len(home) != 3 || len(far) != 3 || home[0] == far[0] || home[1] != "172.31.0.0/16" || far[1] != home[1] || far[2] != account {
		t.Errorf("default VPCs: %v here, %v far", home, far)
	}
	a.AWSRefuses(t, "InvalidVpcID.NotFound", "The vpc ID '"+home[0]+"' does not exist", "ec2", "describe-vpcs", "--vpc-ids", home[0], "--region", "ap-south-1")
	a.AWSRefuses(t, "AuthFailure", "AWS was not able to validate the provided access credentials", "ec2", "describe-vpcs", "--region", "mars-north-1")
	subnets := strings.Fields(a.AWS(t, "ec2", "describe-subnets", "--filters", "Name=default-for-az,Values=true", "--region", "ap-south-1", "--query", "Subnets[].AvailabilityZone", "--output", "text"))
	zones := strings.Fields(a.AWS(t, "ec2", "describe-availability-zones", "--region", "ap-south-1", "--query", "AvailabilityZones[].ZoneName", "--output", "text"))
	if slices.Sort(subnets); len(zones) < 2 || !slices.Equal(subnets, zones) {
		t.Errorf("default subnets are in %v, zones are %v", subnets, zones)
	}
}
