// SPDX-License-Identifier: Apache-2.0

package awsapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/control"
)

// oneSession is Sessions with one session, which ends at a time.
type oneSession struct{ ends time.Time }

const sessionToken = "token"

// OpenSession implements awsapi.Sessions.
func (s oneSession) OpenSession(accessKey, token string) (string, control.Actor, bool) {
	actor := control.Actor{Account: alice.Account, ARN: alice.ARN, Session: &control.Session{Expires: s.ends}}
	return secret, actor, accessKey == key && token == sessionToken
}

// TestSessionsEnd holds a session against the server's clock, one moment before its
// end and at its end, in the words of each service (docs/spec/ec2-api.md sections
// 1.4 and 11.3, docs/spec/appstream.md).
func TestSessionsEnd(t *testing.T) {
	ends := time.Now().Add(time.Minute).Truncate(time.Second)
	var now time.Time
	r := startWith(t, func(c *awsapi.Config) {
		c.Sessions, c.Now = oneSession{ends}, func() time.Time { return now }
	})
	for _, c := range []struct {
		service, body, target string
		before                string
		status                int
		after                 string
	}{
		{"ec2", "Action=CreateSecurityGroup&GroupName=a", "", "<groupId>", 400, "<Code>RequestExpired</Code><Message>Request has expired.</Message>"},
		{"sts", "Action=GetCallerIdentity&Version=2011-06-15", "", "<Account>111122223333</Account>", 403, "<Code>ExpiredToken</Code><Message>The security token included in the request is expired</Message>"},
		{"appstream", "{}", "PhotonAdminProxyService.Foo", "UnknownOperationException", 400, `"__type":"ExpiredTokenException","Message":"The security token included in the request is expired"`},
	} {
		ask := func() reply {
			t.Helper()
			req := r.post(t, c.body)
			req.Header.Set("X-Amz-Security-Token", sessionToken)
			if c.target != "" {
				req.Header.Set("Content-Type", "application/x-amz-json-1.1")
				req.Header.Set("X-Amz-Target", c.target)
			}
			return r.do(t, sign(t, req, c.body, scope{service: c.service, at: now}))
		}
		now = ends.Add(-time.Second)
		if got := ask(); !strings.Contains(got.body, c.before) || got.status >= http.StatusInternalServerError {
			t.Errorf("%s, before the end: %d %s", c.service, got.status, got.body)
		}
		now = ends
		if got := ask(); got.status != c.status || !strings.Contains(got.body, c.after) {
			t.Errorf("%s, at the end: %d %s, want %d %s", c.service, got.status, got.body, c.status, c.after)
		}
	}
}
