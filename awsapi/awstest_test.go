// SPDX-License-Identifier: Apache-2.0

package awsapi_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/appstream"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/awsapi/sts"
	"github.com/hedgeward/hedgeward/secgroup"
)

const (
	key    = "AKIAEXAMPLE0000000001"
	secret = "secret/of+the=key"
)

var alice = awsapi.Caller{
	Account: "111122223333", User: "alice", UserID: "AIDAEXAMPLEEXAMPLE123",
	ARN: "arn:aws:iam::111122223333:user/alice",
}

// keys is Credentials with one key.
type keys struct{}

func (keys) Lookup(_ context.Context, accessKey string) (string, awsapi.Caller, bool) {
	return secret, alice, accessKey == key
}

// journal collects log records.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.String()
}

// rig is a server over HTTP with a few operations that show what reached them.
type rig struct {
	*httptest.Server
	log   *journal
	ran   []string // operations whose second phase ran
	allow error    // what the authorizer says
}

// Authorize implements awsapi.Authorizer.
func (r *rig) Authorize(context.Context, *awsapi.Call, any) error { return r.allow }

func start(t *testing.T, extra ...awsapi.Operation) *rig {
	t.Helper()
	return startWith(t, nil, extra...)
}

// startWith is start with a change to the server's settings, if not nil.
func startWith(t *testing.T, change func(*awsapi.Config), extra ...awsapi.Operation) *rig {
	t.Helper()
	r := &rig{log: new(journal)}
	ops := append([]awsapi.Operation{
		awsapi.Op("CreateSecurityGroup", func(c *awsapi.Call, in *ec2types.CreateSecurityGroupRequest) (func(context.Context) (*ec2types.CreateSecurityGroupResult, error), error) {
			if in.GroupName == nil {
				return nil, secgroup.Errorf("MissingParameter", "The request must contain the parameter groupName")
			}
			return func(context.Context) (*ec2types.CreateSecurityGroupResult, error) {
				r.ran = append(r.ran, "CreateSecurityGroup in "+c.Region)
				if *in.GroupName == "gone" {
					return nil, secgroup.Errorf("InvalidVpcID.NotFound", "The vpc ID 'vpc-<1>' does not exist")
				}
				return &ec2types.CreateSecurityGroupResult{GroupId: aws.String("sg-0123456789abcdef0")}, nil
			}, nil
		}),
		awsapi.Op("DeleteVpc", func(*awsapi.Call, *ec2types.DeleteVpcRequest) (func(context.Context) (*ec2types.DeleteVpcResult, error), error) {
			return func(context.Context) (*ec2types.DeleteVpcResult, error) { return nil, nil }, nil
		}),
		awsapi.Op("CreateVpc", func(*awsapi.Call, *ec2types.CreateVpcRequest) (func(context.Context) (*ec2types.CreateVpcResult, error), error) {
			return func(context.Context) (*ec2types.CreateVpcResult, error) {
				return nil, errors.New("etcd at 10.0.0.7 is on fire")
			}, nil
		}),
		awsapi.Op("DeleteSubnet", func(*awsapi.Call, *ec2types.DeleteSubnetRequest) (func(context.Context) (*ec2types.DeleteSubnetResult, error), error) {
			return func(context.Context) (*ec2types.DeleteSubnetResult, error) { panic("index out of range") }, nil
		}),
	}, extra...)
	cfg := awsapi.Config{
		Services:    []*awsapi.Service{awsapi.NewService(ec2types.Model, awsapi.EC2Query, ops...), sts.New(nil), appstream.New(nil)},
		Credentials: keys{},
		Authorizer:  r,
		Regions:     func(region string) bool { return region == "us-east-1" || region == "eu-central-1" },
		Now:         time.Now,
		Log:         slog.New(slog.NewTextHandler(r.log, nil)),
	}
	if change != nil {
		change(&cfg)
	}
	server, err := awsapi.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.Server = httptest.NewServer(server)
	t.Cleanup(r.Close)
	return r
}

// reply is what came back.
type reply struct {
	status int
	header http.Header
	body   string
}

func (r *rig) do(t *testing.T, req *http.Request) reply {
	t.Helper()
	res, err := r.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{res.StatusCode, res.Header, string(body)}
}

func (r *rig) post(t *testing.T, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, r.URL+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	return req
}

// scope is whom a test's signature is for; the zero value is EC2 in us-east-1.
type scope struct {
	key, secret, service, region string
	at                           time.Time
}

func sign(t *testing.T, req *http.Request, body string, s scope) *http.Request {
	t.Helper()
	or := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	or(&s.key, key)
	or(&s.secret, secret)
	or(&s.service, "ec2")
	or(&s.region, "us-east-1")
	if s.at.IsZero() {
		s.at = time.Now()
	}
	sum := sha256.Sum256([]byte(body))
	err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: s.key, SecretAccessKey: s.secret}, req, hex.EncodeToString(sum[:]), s.service, s.region, s.at)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// call posts a signed form.
func (r *rig) call(t *testing.T, body string, s scope) reply {
	t.Helper()
	return r.do(t, sign(t, r.post(t, body), body, s))
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
