// SPDX-License-Identifier: Apache-2.0

package awsapi_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/appstream"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/awsapi/sts"
)

// TestThrottledCalls is API-RequestLimitExceeded, in the words of each protocol.
func TestThrottledCalls(t *testing.T) {
	now := time.Now()
	r := &rig{log: new(journal)}
	server, err := awsapi.New(awsapi.Config{
		Services:    []*awsapi.Service{awsapi.NewService(ec2types.Model, awsapi.EC2Query), sts.New(nil), appstream.New(nil)},
		Credentials: keys{}, Authorizer: r, Now: func() time.Time { return now }, Log: discard(),
		Regions:  func(string) bool { return true },
		Throttle: awsapi.Rates{awsapi.ClassMutate: {PerSecond: 1, Burst: 1}, awsapi.ClassDescribe: {PerSecond: 1, Burst: 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Server = httptest.NewServer(server)
	t.Cleanup(r.Close)

	const create = "Action=CreateVpc&Version=2016-11-15"
	whoami := func() reply {
		return r.call(t, "Action=GetCallerIdentity&Version=2011-06-15", scope{service: "sts", at: now})
	}
	target := func() reply {
		req := r.post(t, "{}")
		req.Header.Set("Content-Type", "application/x-amz-json-1.1")
		req.Header.Set("X-Amz-Target", "PhotonAdminProxyService.DescribeFleets")
		return r.do(t, sign(t, req, "{}", scope{service: "appstream", at: now}))
	}
	expect := func(got reply, status int, part string) {
		t.Helper()
		if got.status != status || !strings.Contains(got.body, part) {
			t.Errorf("%d %s, want %d with %q", got.status, got.body, status, part)
		}
	}
	expect(r.call(t, create, scope{at: now}), http.StatusBadRequest, "UnsupportedOperation")
	expect(r.call(t, create, scope{at: now}), http.StatusServiceUnavailable, "<Code>RequestLimitExceeded</Code><Message>Request limit exceeded.</Message>")
	expect(r.call(t, create, scope{key: "AKIAEXAMPLE0000000002", at: now}), http.StatusUnauthorized, "AuthFailure") // strangers take no tokens
	expect(whoami(), http.StatusOK, alice.Account)
	expect(whoami(), http.StatusBadRequest, "<Code>Throttling</Code>")
	expect(target(), http.StatusBadRequest, "ThrottlingException")
	now = now.Add(time.Second)
	expect(r.call(t, create, scope{at: now}), http.StatusBadRequest, "UnsupportedOperation")
}
