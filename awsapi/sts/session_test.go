// SPDX-License-Identifier: Apache-2.0

package sts

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awscredentials "github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
	"github.com/hedgeward/hedgeward/store"
)

// rig is STS and EC2 over HTTP on an empty store, whose clock can be put forward.
type rig struct {
	control *control.Service
	key     *secgroup.AccessKey
	url     string
	late    atomic.Int64 // time.Duration by which the server's clock is ahead of its signatures'
}

// Lookup implements awsapi.Credentials.
func (r *rig) Lookup(_ context.Context, id string) (string, awsapi.Caller, bool) {
	k := r.control.AccessKey(id)
	if k == nil {
		return "", awsapi.Caller{}, false
	}
	return k.Secret, awsapi.Caller{Account: k.Account, User: k.User, UserID: k.UserID, ARN: k.ARN()}, true
}

func (r *rig) now() time.Time { return time.Now().Add(time.Duration(r.late.Load())) }

func newRig(t *testing.T) *rig {
	t.Helper()
	db, err := store.Embedded(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	log := slog.New(slog.DiscardHandler)
	m, err := model.Open(t.Context(), db, log)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{control: control.New(db, m, control.Config{})}
	ctx, cancel := context.WithCancel(t.Context())
	followed, served := make(chan struct{}), make(chan struct{})
	go func() { defer close(followed); m.Run(ctx) }()
	go func() { defer close(served); r.control.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-followed; <-served })
	if r.key, _, err = r.control.Bootstrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	server, err := awsapi.New(awsapi.Config{
		Services: []*awsapi.Service{ec2.New(r.control), New(r.control)}, Credentials: r, Sessions: r.control, Now: r.now, Log: log,
		Authorizer: awsapi.ByService{"ec2": ec2.NewAuthorizer(r.control), "sts": Authorizer{}},
		Regions:    func(name string) bool { _, ok := r.control.Region(name); return ok },
	})
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(server)
	t.Cleanup(listener.Close)
	r.url = listener.URL
	return r
}

func (r *rig) client(id, secret, token string) *sdk.Client {
	return sdk.New(sdk.Options{
		Region: "us-east-1", BaseEndpoint: &r.url, RetryMaxAttempts: 1,
		Credentials: awscredentials.NewStaticCredentialsProvider(id, secret, token),
	})
}

// refused fails the test unless err is "Code: Message".
func refused(t *testing.T, err error, want string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode()+": "+e.ErrorMessage() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// describe asks EC2 with session credentials, signed in the header or in the
// query string at a time, and returns status and body.
func (r *rig) describe(t *testing.T, c *types.Credentials, presigned bool, at time.Time) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/?Action=DescribeRegions&Version=2016-11-15", nil)
	if err != nil {
		t.Fatal(err)
	}
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	keys := aws.Credentials{AccessKeyID: *c.AccessKeyId, SecretAccessKey: *c.SecretAccessKey, SessionToken: *c.SessionToken}
	if presigned {
		uri, _, err := v4.NewSigner().PresignHTTP(t.Context(), keys, req, empty, "ec2", "us-east-1", at)
		if err != nil {
			t.Fatal(err)
		}
		if req, err = http.NewRequestWithContext(t.Context(), http.MethodGet, uri, nil); err != nil {
			t.Fatal(err)
		}
	} else if err := v4.NewSigner().SignHTTP(t.Context(), keys, req, empty, "ec2", "us-east-1", at); err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestSessions(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	admin := r.client(r.key.ID, r.key.Secret, "")
	trust := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"` + r.key.Account + `"}}}`
	if _, err := r.control.CreateRole(ctx, r.key.Account, "ops", trust, []string{control.AdministratorPolicy}, 0); err != nil {
		t.Fatal(err)
	}
	role := "arn:aws:iam::" + r.key.Account + ":role/ops"
	made, err := admin.AssumeRole(ctx, &sdk.AssumeRoleInput{
		RoleArn: &role, RoleSessionName: aws.String("night"),
		Policy: aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ec2:DescribeRegions","Resource":"*"}}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	c := made.Credentials
	session := r.client(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
	who, err := session.GetCallerIdentity(ctx, &sdk.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	if want := "arn:aws:sts::" + r.key.Account + ":assumed-role/ops/night"; *who.Arn != want || *made.AssumedRoleUser.Arn != want || *who.UserId != *made.AssumedRoleUser.AssumedRoleId {
		t.Errorf("%s %s %s", *who.Arn, *who.UserId, *made.AssumedRoleUser.AssumedRoleId)
	}
	for _, presigned := range []bool{false, true} {
		if status, body := r.describe(t, c, presigned, time.Now()); status != 200 || !strings.Contains(body, "us-east-1") {
			t.Errorf("presigned %v: %d %s", presigned, status, body)
		}
	}
	_, err = session.GetSessionToken(ctx, &sdk.GetSessionTokenInput{})
	refused(t, err, "AccessDenied: Cannot call GetSessionToken with session credentials")

	const unknown = "InvalidClientTokenId: The security token included in the request is invalid."
	_, err = r.client(*c.AccessKeyId, *c.SecretAccessKey, "").GetCallerIdentity(ctx, &sdk.GetCallerIdentityInput{})
	refused(t, err, unknown)
	_, err = r.client(r.key.ID, r.key.Secret, *c.SessionToken).GetCallerIdentity(ctx, &sdk.GetCallerIdentityInput{})
	refused(t, err, unknown)
	_, err = r.client(*c.AccessKeyId, *c.SecretAccessKey, "x"+*c.SessionToken).GetCallerIdentity(ctx, &sdk.GetCallerIdentityInput{})
	refused(t, err, unknown)

	own, err := admin.GetSessionToken(ctx, &sdk.GetSessionTokenInput{DurationSeconds: aws.Int32(900)})
	if err != nil {
		t.Fatal(err)
	}
	r.late.Store(int64(15 * time.Minute))
	for _, presigned := range []bool{false, true} { // section 1.4: in EC2's words
		if status, body := r.describe(t, own.Credentials, presigned, r.now()); status != 400 || !strings.Contains(body, "<Code>RequestExpired</Code><Message>Request has expired.</Message>") {
			t.Errorf("presigned %v: %d %s", presigned, status, body)
		}
	}
	r.late.Store(0)
	_, err = r.client(*own.Credentials.AccessKeyId, *own.Credentials.SecretAccessKey, *own.Credentials.SessionToken).GetCallerIdentity(ctx, &sdk.GetCallerIdentityInput{})
	if err != nil {
		t.Errorf("before its end: %v", err)
	}
}

func TestRequestsAreRefused(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	admin := r.client(r.key.ID, r.key.Secret, "")
	arn, name := aws.String("arn:aws:iam::111122223333:role/x"), aws.String("night")
	for want, in := range map[string]*sdk.AssumeRoleInput{
		"ValidationError: 1 validation error detected: Value 'a b' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[\\w+=,.@-]{2,64}$": {RoleArn: arn, RoleSessionName: aws.String("a b")},
		"ValidationError: 1 validation error detected: Value '60' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900":                  {RoleArn: arn, RoleSessionName: name, DurationSeconds: aws.Int32(60)},
		"ValidationError: 1 validation error detected: Value '43201' at 'durationSeconds' failed to satisfy constraint: Member must have value less than or equal to 43200":                {RoleArn: arn, RoleSessionName: name, DurationSeconds: aws.Int32(43201)},
		"ValidationError: The parameter SourceIdentity is not supported by this installation.":                                                                                             {RoleArn: arn, RoleSessionName: name, SourceIdentity: aws.String("me")},
		"AccessDenied: User: arn:aws:iam::" + r.key.Account + ":user/hedgeward is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111122223333:role/x":                 {RoleArn: arn, RoleSessionName: name},
		"MalformedPolicyDocument: The policy document is wrong: the document has no Statement.":                                                                                            {RoleArn: arn, RoleSessionName: name, Policy: aws.String("{}")},
		"PackedPolicyTooLarge: The session policies are too large: 2048 characters and 10 ARNs are the most.":                                                                              {RoleArn: arn, RoleSessionName: name, Policy: aws.String(`{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}` + strings.Repeat(" ", 2048))},
		"ValidationError: The policy arn:aws:iam::aws:policy/ReadOnlyAccess is not one of the role's account.":                                                                             {RoleArn: arn, RoleSessionName: name, PolicyArns: []types.PolicyDescriptorType{{Arn: aws.String("arn:aws:iam::aws:policy/ReadOnlyAccess")}}},
	} {
		_, err := admin.AssumeRole(ctx, in)
		refused(t, err, want)
	}
	_, err := admin.GetSessionToken(ctx, &sdk.GetSessionTokenInput{DurationSeconds: aws.Int32(129601)})
	refused(t, err, "ValidationError: 1 validation error detected: Value '129601' at 'durationSeconds' failed to satisfy constraint: Member must have value less than or equal to 129600")
}
