// SPDX-License-Identifier: Apache-2.0

package awsapi_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/secgroup"
)

const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

var ids = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)

// expect compares a reply with an EC2 error, its envelope to the letter
// (API-W6).
func expect(t *testing.T, got reply, status int, code, message string) {
	t.Helper()
	want := `<?xml version="1.0" encoding="UTF-8"?>` + "\n<Response><Errors><Error><Code>" + code + "</Code><Message>" + message +
		"</Message></Error></Errors><RequestID>ID</RequestID></Response>\n"
	if body := ids.ReplaceAllString(got.body, "ID"); got.status != status || body != want {
		t.Errorf("got %d %s\nwant %d %s", got.status, body, status, want)
	}
	if id := got.header.Get("x-amzn-RequestId"); id == "" || !strings.Contains(got.body, "<RequestID>"+id+"<") {
		t.Errorf("header x-amzn-RequestId is %q, not the id in the body", id)
	}
	if ct, server := got.header.Get("Content-Type"), got.header.Get("Server"); ct != "text/xml;charset=UTF-8" || server != "AmazonEC2" {
		t.Errorf("Content-Type %q, Server %q", ct, server)
	}
}

const notValidated = "AWS was not able to validate the provided access credentials"

// The vectors of docs/spec/ec2-api.md section 17.7 that need no state.
func TestVectors(t *testing.T) {
	r := start(t)
	t.Run("API-W1 unsigned", func(t *testing.T) {
		expect(t, r.do(t, r.post(t, "Action=DescribeVpcs&Version=2016-11-15")), 400, "MissingParameter", "The request must contain the parameter AWSAccessKeyId")
	})
	t.Run("API-W2 wrong secret", func(t *testing.T) {
		expect(t, r.call(t, "Action=DescribeVpcs", scope{secret: "wrong"}), 401, "AuthFailure", notValidated)
	})
	t.Run("API-W3 unknown action", func(t *testing.T) {
		expect(t, r.call(t, "Action=Foo&Version=2016-11-15", scope{}), 400, "InvalidAction", "The action Foo is not valid for this web service.")
	})
	t.Run("API-W4 GET with a query-string signature", func(t *testing.T) {
		req, _ := http.NewRequest(http.MethodGet, r.URL+"/?Action=CreateSecurityGroup&Version=2016-11-15&GroupName=a+b%2Fc&X-Amz-Expires=60", nil)
		signed, _, err := v4.NewSigner().PresignHTTP(t.Context(), aws.Credentials{AccessKeyID: key, SecretAccessKey: secret}, req, emptyHash, "ec2", "eu-central-1", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		again, _ := http.NewRequest(http.MethodGet, signed, nil)
		got := r.do(t, again)
		if got.status != 200 || !strings.Contains(got.body, "<groupId>sg-0123456789abcdef0</groupId>") {
			t.Errorf("got %d %s", got.status, got.body)
		}
		if !slices.Contains(r.ran, "CreateSecurityGroup in eu-central-1") {
			t.Errorf("the Region of the scope did not reach the operation: %q", r.ran)
		}
	})
	t.Run("API-W5 unknown parameter", func(t *testing.T) {
		expect(t, r.call(t, "Action=CreateSecurityGroup&GroupName=a&Description=b", scope{}), 400, "UnknownParameter", "The parameter Description is not recognized")
	})
	t.Run("API-W6 error envelope", func(t *testing.T) {
		expect(t, r.call(t, "Action=CreateSecurityGroup&GroupName=gone", scope{}), 400, "InvalidVpcID.NotFound", "The vpc ID 'vpc-&lt;1&gt;' does not exist")
	})
	t.Run("API-W8 STS on the same listener", func(t *testing.T) {
		got := r.call(t, "Action=GetCallerIdentity&Version=2011-06-15", scope{service: "sts"})
		want := `<?xml version="1.0" encoding="UTF-8"?>
<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Account>111122223333</Account><Arn>arn:aws:iam::111122223333:user/alice</Arn><UserId>AIDAEXAMPLEEXAMPLE123</UserId></GetCallerIdentityResult><ResponseMetadata><RequestId>ID</RequestId></ResponseMetadata></GetCallerIdentityResponse>
`
		if body := ids.ReplaceAllString(got.body, "ID"); got.status != 200 || body != want || got.header.Get("Content-Type") != "text/xml" {
			t.Errorf("got %d %s", got.status, got.body)
		}
	})
}

func TestRefusedCalls(t *testing.T) {
	r := start(t)
	old := time.Now().Add(-6 * time.Minute)
	for name, c := range map[string]struct {
		body    string
		scope   scope
		status  int
		code    string
		message string
	}{
		"unknown key":                     {"Action=DescribeVpcs", scope{key: "AKIANOBODY"}, 401, "AuthFailure", notValidated},
		"unknown Region":                  {"Action=DescribeVpcs", scope{region: "mars-north-1"}, 401, "AuthFailure", notValidated},
		"another service":                 {"Action=DescribeVpcs", scope{service: "iam"}, 401, "AuthFailure", notValidated},
		"old signature":                   {"Action=DescribeVpcs", scope{at: old}, 400, "RequestExpired", "Request has expired."},
		"old and wrong":                   {"Action=DescribeVpcs", scope{at: old, secret: "wrong"}, 401, "AuthFailure", notValidated},
		"no action":                       {"Version=2016-11-15", scope{}, 400, "MissingAction", "The request is missing an action or a required parameter."},
		"no action, no body":              {"", scope{}, 400, "MissingAction", "The request is missing an action or a required parameter."},
		"odd version":                     {"Action=DescribeVpcs&Version=new", scope{}, 400, "InvalidParameterValue", "Value (new) for parameter Version is invalid. Versions are dates of the form YYYY-MM-DD."},
		"in the model, not here":          {"Action=DescribeRouteTables", scope{}, 400, "UnsupportedOperation", "The operation DescribeRouteTables is not supported by this installation."},
		"bad form":                        {"Action=DescribeVpcs&X=%zz", scope{}, 400, "MalformedQueryString", "The query string contains a syntax error."},
		"bad scalar":                      {"Action=DeleteVpc&DryRun=maybe", scope{}, 400, "InvalidParameterValue", "Invalid value 'maybe' for boolean."},
		"twice":                           {"Action=DeleteVpc&VpcId=a&VpcId=b", scope{}, 400, "InvalidParameterCombination", "The parameter VpcId may be given only once."},
		"detail of a fault stays in":      {"Action=CreateVpc", scope{}, 500, "InternalError", "An internal error has occurred"},
		"panic":                           {"Action=DeleteSubnet", scope{}, 500, "InternalError", "An internal error has occurred"},
		"dry run after syntax":            {"Action=CreateSecurityGroup&DryRun=true", scope{}, 400, "MissingParameter", "The request must contain the parameter groupName"},
		"dry run":                         {"Action=CreateSecurityGroup&GroupName=a&DryRun=true", scope{}, 412, "DryRunOperation", "Request would have succeeded, but DryRun flag is set."},
		"dry run comes before existence":  {"Action=CreateSecurityGroup&GroupName=gone&DryRun=1", scope{}, 412, "DryRunOperation", "Request would have succeeded, but DryRun flag is set."},
		"dry run of what would now break": {"Action=CreateVpc&DryRun=TRUE", scope{}, 412, "DryRunOperation", "Request would have succeeded, but DryRun flag is set."},
	} {
		t.Run(name, func(t *testing.T) {
			expect(t, r.call(t, c.body, c.scope), c.status, c.code, c.message)
		})
	}
	if len(r.ran) != 0 {
		t.Errorf("refused calls ran: %q", r.ran)
	}
	log := r.log.String()
	if !strings.Contains(log, "etcd at 10.0.0.7 is on fire") || !strings.Contains(log, "index out of range") || !strings.Contains(log, "goroutine") {
		t.Errorf("the log does not hold what went wrong:\n%s", log)
	}
}

func TestAuthorizationComesBetweenSyntaxAndDryRun(t *testing.T) {
	r := start(t)
	r.allow = secgroup.Errorf("UnauthorizedOperation", "You are not authorized to perform this operation.")
	expect(t, r.call(t, "Action=CreateSecurityGroup", scope{}), 400, "MissingParameter", "The request must contain the parameter groupName")
	expect(t, r.call(t, "Action=CreateSecurityGroup&GroupName=a&DryRun=true", scope{}), 403, "UnauthorizedOperation", r.allow.(*secgroup.Error).Message)
	expect(t, r.call(t, "Action=CreateSecurityGroup&GroupName=a", scope{}), 403, "UnauthorizedOperation", r.allow.(*secgroup.Error).Message)
	r.allow = fmt.Errorf("policies cannot be read")
	expect(t, r.call(t, "Action=CreateSecurityGroup&GroupName=a", scope{}), 500, "InternalError", "An internal error has occurred")
	if len(r.ran) != 0 {
		t.Errorf("ran without permission: %q", r.ran)
	}
}

func TestResults(t *testing.T) {
	r := start(t)
	for body, want := range map[string]string{
		"Action=CreateSecurityGroup&GroupName=a": `<CreateSecurityGroupResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>ID</requestId><return>true</return><groupId>sg-0123456789abcdef0</groupId></CreateSecurityGroupResponse>`,
		"Action=DeleteVpc&VpcId=vpc-1":           `<DeleteVpcResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>ID</requestId><return>true</return></DeleteVpcResponse>`,
	} {
		got := r.call(t, body, scope{})
		want = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + want + "\n"
		if text := ids.ReplaceAllString(got.body, "ID"); got.status != 200 || text != want {
			t.Errorf("%s: got %d %s", body, got.status, text)
		}
		if got.header.Get("x-amzn-RequestId") != ids.FindString(got.body) || got.header.Get("Server") != "AmazonEC2" {
			t.Errorf("%s: headers %v", body, got.header)
		}
	}
}

func TestOtherRequests(t *testing.T) {
	r := start(t)
	t.Run("plain GET", func(t *testing.T) {
		req, _ := http.NewRequest(http.MethodGet, r.URL, nil)
		expect(t, r.do(t, req), 400, "MissingParameter", "The request must contain the parameter AWSAccessKeyId")
	})
	t.Run("another path", func(t *testing.T) {
		req, _ := http.NewRequest(http.MethodGet, r.URL+"/index.html", nil)
		expect(t, r.do(t, req), 404, "InvalidRequest", "Calls are made to the path /.")
	})
	t.Run("another method", func(t *testing.T) {
		req, _ := http.NewRequest(http.MethodPut, r.URL, nil)
		expect(t, r.do(t, req), 405, "InvalidRequest", "Calls are made with POST or GET.")
	})
	t.Run("one MiB is accepted", func(t *testing.T) {
		body := "Action=CreateSecurityGroup&GroupName=" + strings.Repeat("x", 1<<20)
		if got := r.call(t, body, scope{}); got.status != 200 {
			t.Errorf("got %d %s", got.status, got.body)
		}
	})
	t.Run("more than the limit", func(t *testing.T) {
		body := strings.Repeat("x", 2<<20+1)
		expect(t, r.call(t, body, scope{}), 413, "RequestEntityTooLarge", "The request is larger than 2097152 bytes.")
	})
	t.Run("session token that nobody issued", func(t *testing.T) {
		req := r.post(t, "Action=DeleteVpc")
		req.Header.Set("X-Amz-Security-Token", "token")
		expect(t, r.do(t, sign(t, req, "Action=DeleteVpc", scope{})), 401, "AuthFailure", notValidated)
	})
	t.Run("body wins over query string", func(t *testing.T) {
		body := "GroupName=a"
		req := r.post(t, body)
		req.URL.RawQuery = url.Values{"Action": {"CreateSecurityGroup"}, "GroupName": {"gone"}}.Encode()
		if got := r.do(t, sign(t, req, body, scope{})); got.status != 200 {
			t.Errorf("got %d %s", got.status, got.body)
		}
	})
}

func TestOtherServicesWordTheirOwnRefusals(t *testing.T) {
	r := start(t)
	sts := func(reply reply, status int, code string) {
		t.Helper()
		if reply.status != status || !strings.Contains(reply.body, `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>`+code+"</Code><Message>") {
			t.Errorf("got %d %s, want %d %s", reply.status, reply.body, status, code)
		}
	}
	const who = "Action=GetCallerIdentity&Version=2011-06-15"
	sts(r.do(t, r.post(t, who)), 403, "MissingAuthenticationToken")
	sts(r.call(t, who, scope{service: "sts", key: "AKIANOBODY"}), 403, "InvalidClientTokenId")
	sts(r.call(t, who, scope{service: "sts", secret: "wrong"}), 403, "SignatureDoesNotMatch")
	sts(r.call(t, who, scope{service: "sts", at: time.Now().Add(-time.Hour)}), 403, "SignatureDoesNotMatch")
	sts(r.call(t, "Action=AssumeRole", scope{service: "sts"}), 400, "ValidationError")
	sts(r.call(t, "Action=DescribeVpcs", scope{service: "sts"}), 400, "InvalidAction")
	bad := r.post(t, who)
	bad.Header.Set("Authorization", "Bearer x")
	sts(r.do(t, bad), 400, "IncompleteSignature")

	stream := func(action string, s scope, signed bool, status int, code string) {
		t.Helper()
		req := r.post(t, "{}")
		req.Header.Set("Content-Type", "application/x-amz-json-1.1")
		req.Header.Set("X-Amz-Target", action)
		s.service = "appstream"
		if signed {
			sign(t, req, "{}", s)
		}
		got := r.do(t, req)
		if got.status != status || !strings.HasPrefix(got.body, `{"__type":"`+code+`","Message":"`) || got.header.Get("Content-Type") != "application/x-amz-json-1.1" {
			t.Errorf("%s: got %d %s, want %d %s", action, got.status, got.body, status, code)
		}
		if got.header.Get("x-amzn-RequestId") == "" {
			t.Errorf("%s: no request id", action)
		}
	}
	stream("PhotonAdminProxyService.CopyImage", scope{}, true, 400, "OperationNotPermittedException")
	stream("PhotonAdminProxyService.StartFleet", scope{}, true, 400, "ValidationException")
	stream("PhotonAdminProxyService.Foo", scope{}, true, 400, "UnknownOperationException")
	stream("DescribeFleets", scope{}, true, 400, "UnknownOperationException")
	stream("PhotonAdminProxyService.DescribeFleets", scope{}, false, 403, "MissingAuthenticationTokenException")
	stream("PhotonAdminProxyService.DescribeFleets", scope{secret: "wrong"}, true, 403, "InvalidSignatureException")
	stream("PhotonAdminProxyService.DescribeFleets", scope{key: "AKIANOBODY"}, true, 403, "UnrecognizedClientException")
}

func TestOneLogRecordPerRequestWithoutSecrets(t *testing.T) {
	r := start(t)
	const body = "Action=CreateSecurityGroup&GroupName=private-name"
	req := sign(t, r.post(t, body), body, scope{})
	got := r.do(t, req)
	r.Close() // the record is written after the answer: wait for the handler
	log := r.log.String()
	if strings.Count(log, "\n") != 1 {
		t.Fatalf("log:\n%s", log)
	}
	for _, part := range []string{"action=CreateSecurityGroup", "principal=arn:aws:iam::111122223333:user/alice", "code=ok", "status=200", "region=us-east-1", "request=" + got.header.Get("x-amzn-RequestId"), "took="} {
		if !strings.Contains(log, part) {
			t.Errorf("log lacks %s: %s", part, log)
		}
	}
	_, signature, _ := strings.Cut(req.Header.Get("Authorization"), "Signature=")
	for _, part := range []string{secret, signature, "private-name"} {
		if strings.Contains(log, part) {
			t.Errorf("log holds %s: %s", part, log)
		}
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	server, err := awsapi.New(awsapi.Config{
		Services: []*awsapi.Service{awsapi.NewService(ec2types.Model, awsapi.EC2Query)}, Credentials: keys{}, Authorizer: awsapi.AllowAll{},
		Regions: func(string) bool { return true }, Now: time.Now, Log: discard(),
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, l) }()
	res, err := http.Get("http://" + l.Addr().String())
	if err != nil || res.StatusCode != 400 {
		t.Fatalf("got %v, %v", res, err)
	}
	res.Body.Close()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("the listener is still open")
	}
}

func TestNewRefusesAnIncompleteConfig(t *testing.T) {
	service := awsapi.NewService(ec2types.Model, awsapi.EC2Query)
	full := func() awsapi.Config {
		return awsapi.Config{Services: []*awsapi.Service{service}, Credentials: keys{}, Authorizer: awsapi.AllowAll{}, Regions: func(string) bool { return true }, Now: time.Now, Log: discard()}
	}
	for name, spoil := range map[string]func(*awsapi.Config){
		"no services":    func(c *awsapi.Config) { c.Services = nil },
		"service twice":  func(c *awsapi.Config) { c.Services = append(c.Services, service) },
		"no credentials": func(c *awsapi.Config) { c.Credentials = nil },
		"no authorizer":  func(c *awsapi.Config) { c.Authorizer = nil },
		"no Regions":     func(c *awsapi.Config) { c.Regions = nil },
		"no clock":       func(c *awsapi.Config) { c.Now = nil },
		"no log":         func(c *awsapi.Config) { c.Log = nil },
	} {
		c := full()
		spoil(&c)
		if _, err := awsapi.New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestNewServiceRefusesOperationsThatAreNotTheModels(t *testing.T) {
	deleteVpc := awsapi.Op("DeleteVpc", func(*awsapi.Call, *ec2types.DeleteVpcRequest) (func(context.Context) (*ec2types.DeleteVpcResult, error), error) {
		return nil, nil
	})
	named := func(name string) awsapi.Operation {
		return awsapi.Op(name, func(*awsapi.Call, *ec2types.DeleteVpcRequest) (func(context.Context) (*ec2types.DeleteVpcResult, error), error) {
			return nil, nil
		})
	}
	for name, ops := range map[string][]awsapi.Operation{
		"not in the model": {named("EatVpc")},
		"other types":      {named("CreateVpc")},
		"twice":            {deleteVpc, deleteVpc},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: accepted", name)
				}
			}()
			awsapi.NewService(ec2types.Model, awsapi.EC2Query, ops...)
		}()
	}
}

// kept collects audit records.
type kept struct{ records []awsapi.AuditRecord }

func (k *kept) Audit(r awsapi.AuditRecord) { k.records = append(k.records, r) }

// TestEveryCallIsCounted shows that what a client makes up becomes no label.
func TestEveryCallIsCounted(t *testing.T) {
	var called []string
	r := startWith(t, func(c *awsapi.Config) {
		c.Called = func(a awsapi.Answered) {
			if a.Took <= 0 || a.Began.IsZero() || len(a.Request) != 36 {
				t.Errorf("call %s of %s took %s from %s", a.Operation, a.Request, a.Took, a.Began)
			}
			called = append(called, fmt.Sprint(a.Service, " ", a.Operation, " ", a.Code, " ", a.Status, " ", a.Region))
		}
	})
	r.call(t, "Action=CreateSecurityGroup&GroupName=a", scope{})
	r.call(t, "Action=DeleteSubnet", scope{}) // it panics
	r.call(t, "Action=MadeUp", scope{})
	r.call(t, "Action=DeleteVpc", scope{secret: "wrong"})
	want := []string{
		"ec2 CreateSecurityGroup ok 200 us-east-1", "ec2 DeleteSubnet InternalError 500 us-east-1", "ec2  InvalidAction 400 us-east-1", "ec2  AuthFailure 401 ",
	}
	if !slices.Equal(called, want) {
		t.Errorf("got %q\nwant %q", called, want)
	}
}

func TestEveryCallIsAudited(t *testing.T) {
	k := new(kept)
	r := startWith(t, func(c *awsapi.Config) { c.Audit = k })
	r.call(t, "Action=CreateSecurityGroup&GroupName=a", scope{})
	r.call(t, "Action=CreateSecurityGroup&GroupName=gone", scope{})
	r.call(t, "Action=DeleteSubnet", scope{}) // it panics
	r.call(t, "Action=DeleteVpc", scope{secret: "wrong"})
	r.do(t, r.post(t, "Action=DeleteVpc"))
	var got []string
	for _, one := range k.records {
		if one.Time.IsZero() || one.Request == "" || one.Source != "127.0.0.1" {
			t.Errorf("%+v", one)
		}
		got = append(got, strings.Join([]string{one.Principal, one.AccessKey, one.Service, one.Action, one.Region, one.Code}, " "))
	}
	who := alice.ARN + " " + key + " ec2 "
	want := []string{
		who + "CreateSecurityGroup us-east-1 ok", who + "CreateSecurityGroup us-east-1 InvalidVpcID.NotFound",
		who + "DeleteSubnet us-east-1 InternalError", "  ec2   AuthFailure", "  ec2   MissingParameter",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}
