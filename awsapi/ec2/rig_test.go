// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	sdktypes "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
	"github.com/hedgeward/hedgeward/store"
)

// rig is the service over HTTP on an empty store, with the SDK as its client.
type rig struct {
	*sdk.Client // of the first account, in us-east-1
	control     *control.Service
	key         *secgroup.AccessKey
	url         string
}

// Lookup implements awsapi.Credentials.
func (r *rig) Lookup(_ context.Context, id string) (string, awsapi.Caller, bool) {
	k := r.control.AccessKey(id)
	if k == nil {
		return "", awsapi.Caller{}, false
	}
	return k.Secret, awsapi.Caller{Account: k.Account, User: k.User, UserID: k.UserID, ARN: k.ARN(), AccessKey: k.ID}, true
}

// newRig returns a running rig.
func newRig(t *testing.T, cfg control.Config) *rig {
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
	r := &rig{control: control.New(db, m, cfg)}
	ctx, cancel := context.WithCancel(t.Context())
	followed, served := make(chan struct{}), make(chan struct{})
	go func() { defer close(followed); m.Run(ctx) }()
	go func() { defer close(served); r.control.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-followed; <-served })

	if r.key, _, err = r.control.Bootstrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	server, err := awsapi.New(awsapi.Config{
		Services: []*awsapi.Service{New(r.control)}, Credentials: r, Authorizer: NewAuthorizer(r.control), Now: time.Now, Log: log,
		Regions: func(name string) bool { _, ok := r.control.Region(name); return ok },
	})
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(server)
	t.Cleanup(listener.Close)
	r.url = listener.URL
	r.Client = r.in("us-east-1")
	return r
}

// in returns the SDK's client of the first account in a Region. It never retries.
func (r *rig) in(region string) *sdk.Client {
	return sdk.New(sdk.Options{
		Region: region, BaseEndpoint: &r.url, HTTPClient: &http.Client{Transport: wholeAnswers{}}, RetryMaxAttempts: 1,
		Credentials: aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider(r.key.ID, r.key.Secret, "")),
	})
}

// wholeAnswers reads every answer to its end before the SDK sees it. The SDK
// closes its request as soon as an answer begins; if the transport is not done
// with the request by then, it gives the connection up in the middle of a long
// answer.
type wholeAnswers struct{}

func (wholeAnswers) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	return answer, nil
}

// refused fails the test unless err is the service's refusal "Code: Message".
func refused(t *testing.T, err error, want string) {
	t.Helper()
	var e smithy.APIError
	switch {
	case err == nil:
		t.Errorf("succeeded, want %s", want)
	case !errors.As(err, &e):
		t.Errorf("%v, want %s", err, want)
	case e.ErrorCode()+": "+e.ErrorMessage() != want:
		t.Errorf("%s: %s, want %s", e.ErrorCode(), e.ErrorMessage(), want)
	}
}

// where returns a filter of the SDK.
func where(name string, values ...string) sdktypes.Filter {
	return sdktypes.Filter{Name: &name, Values: values}
}

// must returns what a call that has to succeed answered.
func must[T any](out T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}
