// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go"
)

// api is how clients reach a running server: the profile that up wrote.
type api struct {
	*ec2.Client
	endpoint string
	config   aws.Config
	environ  []string // for the AWS CLI
}

func newAPI(s *server, endpoint string) (*api, error) {
	files := map[string]string{
		"AWS_CONFIG_FILE":             filepath.Join(s.state, "aws", "config"),
		"AWS_SHARED_CREDENTIALS_FILE": filepath.Join(s.state, "aws", "credentials"),
	}
	cfg, err := config.LoadDefaultConfig(context.Background(),
		config.WithSharedConfigProfile("hedgeward"),
		config.WithSharedConfigFiles([]string{files["AWS_CONFIG_FILE"]}),
		config.WithSharedCredentialsFiles([]string{files["AWS_SHARED_CREDENTIALS_FILE"]}),
	)
	if err != nil {
		return nil, err
	}
	if cfg.BaseEndpoint == nil || *cfg.BaseEndpoint != endpoint {
		return nil, errors.New("the profile names another endpoint than up does")
	}
	environ := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "AWS_") })
	environ = append(environ, "AWS_PROFILE=hedgeward", "AWS_MAX_ATTEMPTS=1", "AWS_EC2_METADATA_DISABLED=true")
	for name, path := range files {
		environ = append(environ, name+"="+path)
	}
	return &api{ec2.NewFromConfig(cfg), endpoint, cfg, environ}, nil
}

// in returns a client for another Region of the same installation.
func (a *api) in(region string) *ec2.Client {
	return ec2.NewFromConfig(a.config, func(o *ec2.Options) { o.Region = region })
}

// code returns the code of an API error, "" for none.
func code(err error) string {
	var refusal smithy.APIError
	if errors.As(err, &refusal) {
		return refusal.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// wantCode expects that a call was refused with a code.
func wantCode(t *testing.T, what string, err error, want string) {
	t.Helper()
	if got := code(err); got != want {
		t.Errorf("%s answers %q (%v), want %s", what, got, err, want)
	}
}

// cliError is what the AWS CLI prints when the service refuses.
var cliError = regexp.MustCompile(`An error occurred \(([^)]+)\) when calling the (\w+) operation(?: \([^)]*\))?: (.*)`)

// awsCLI runs the AWS CLI and returns what it printed and its exit status.
func (a *api) awsCLI(t *testing.T, environ []string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if !profileHasEndpoint() {
		args = append([]string{"--endpoint-url", a.endpoint}, args...)
	}
	cmd := exec.CommandContext(ctx, "aws", args...)
	cmd.Env = append(slices.Clone(a.environ), environ...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) || ctx.Err() != nil {
		t.Fatalf("aws %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// profileHasEndpoint reports whether the AWS CLI of this machine takes
// endpoint_url from a profile: versions 1.29 and 2.13 were the first. Older ones,
// such as Debian 12's, must be told on the command line.
var profileHasEndpoint = sync.OnceValue(func() bool {
	out, err := exec.Command("aws", "--version").CombinedOutput()
	var major, minor int
	if _, scan := fmt.Sscanf(string(out), "aws-cli/%d.%d", &major, &minor); err != nil || scan != nil {
		return true // the first call will say what is wrong
	}
	return major == 1 && minor >= 29 || major == 2 && minor >= 13 || major > 2
})

// aws runs the AWS CLI, wants it to succeed, and returns what it printed without
// the line's end. Most calls ask for text: --query ... --output text.
func (a *api) aws(t *testing.T, args ...string) string {
	t.Helper()
	out, errs, status := a.awsCLI(t, nil, args...)
	if status != 0 {
		t.Fatalf("aws %s ends with status %d: %s", strings.Join(args, " "), status, errs)
	}
	return strings.TrimSpace(out)
}

// awsRefuses runs the AWS CLI and wants the service to refuse with a code and a
// message. The exit status is the CLI's own for that.
func (a *api) awsRefuses(t *testing.T, wantCode, wantMessage string, args ...string) {
	t.Helper()
	out, errs, status := a.awsCLI(t, nil, args...)
	m := cliError.FindStringSubmatch(errs)
	switch {
	case m == nil:
		t.Errorf("aws %s: status %d, want the error %s\n%s%s", strings.Join(args, " "), status, wantCode, out, errs)
	case m[1] != wantCode || m[3] != wantMessage:
		t.Errorf("aws %s:\ngot  %s: %s\nwant %s: %s", strings.Join(args, " "), m[1], m[3], wantCode, wantMessage)
	case status != 254 && status != 255: // newer and older CLIs
		t.Errorf("aws %s ends with status %d, want 254 or 255", strings.Join(args, " "), status)
	}
}
