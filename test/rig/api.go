// SPDX-License-Identifier: Apache-2.0

package rig

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

// API is how clients reach a running server: the profile that up wrote.
type API struct {
	*ec2.Client            // of the SDK for Go
	Endpoint    string     // URL
	Config      aws.Config // for other clients of the SDK
	state       string
}

func newAPI(state, endpoint string) (*API, error) {
	cfg, err := config.LoadDefaultConfig(context.Background(),
		config.WithSharedConfigProfile("hedgeward"),
		config.WithSharedConfigFiles([]string{filepath.Join(state, "aws", "config")}),
		config.WithSharedCredentialsFiles([]string{filepath.Join(state, "aws", "credentials")}),
	)
	if err != nil {
		return nil, err
	}
	if cfg.BaseEndpoint == nil || *cfg.BaseEndpoint != endpoint {
		return nil, errors.New("the profile names another endpoint than up does")
	}
	return &API{ec2.NewFromConfig(cfg), endpoint, cfg, state}, nil
}

// In returns a client for another Region of the same installation.
func (a *API) In(region string) *ec2.Client {
	return ec2.NewFromConfig(a.Config, func(o *ec2.Options) { o.Region = region })
}

// Environ returns the environment of a client: what `up` tells its user to
// export, and nothing else that is about AWS, its tools or a proxy.
func (a *API) Environ(more ...string) []string {
	kept := slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(strings.ToUpper(v), "=")
		return strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "TF_") ||
			strings.HasPrefix(name, "ANSIBLE_") || strings.HasSuffix(name, "_PROXY")
	})
	return slices.Concat(kept, []string{
		"AWS_CONFIG_FILE=" + filepath.Join(a.state, "aws", "config"),
		"AWS_SHARED_CREDENTIALS_FILE=" + filepath.Join(a.state, "aws", "credentials"),
		"AWS_PROFILE=hedgeward",
	}, more)
}

// Code returns the code of an API error, "" for none.
func Code(err error) string {
	var refusal smithy.APIError
	if errors.As(err, &refusal) {
		return refusal.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// WantCode expects that a call was refused with a code.
func WantCode(t *testing.T, what string, err error, want string) {
	t.Helper()
	if got := Code(err); got != want {
		t.Errorf("%s answers %q (%v), want %s", what, got, err, want)
	}
}

// cliError is what the AWS CLI prints when the service refuses.
var cliError = regexp.MustCompile(`An error occurred \(([^)]+)\) when calling the (\w+) operation(?: \([^)]*\))?: (.*)`)

// CLI runs the AWS CLI and returns what it printed and its exit status.
func (a *API) CLI(t *testing.T, environ []string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if !ProfileHasEndpoint() {
		args = append([]string{"--endpoint-url", a.Endpoint}, args...)
	}
	cmd := exec.CommandContext(ctx, "aws", args...)
	cmd.Env = append(a.Environ("AWS_MAX_ATTEMPTS=1", "AWS_EC2_METADATA_DISABLED=true"), environ...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) || ctx.Err() != nil {
		t.Fatalf("aws %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// ProfileHasEndpoint reports whether the AWS CLI of this machine takes
// endpoint_url from a profile: versions 1.29 and 2.13 were the first. Older ones,
// such as Debian 12's, must be told on the command line.
var ProfileHasEndpoint = sync.OnceValue(func() bool {
	out, err := exec.Command("aws", "--version").CombinedOutput()
	var major, minor int
	if _, scan := fmt.Sscanf(string(out), "aws-cli/%d.%d", &major, &minor); err != nil || scan != nil {
		return true // the first call will say what is wrong
	}
	return major == 1 && minor >= 29 || major == 2 && minor >= 13 || major > 2
})

// AWS runs the AWS CLI, wants it to succeed, and returns what it printed without
// the line's end. Most calls ask for text: --query ... --output text.
func (a *API) AWS(t *testing.T, args ...string) string {
	t.Helper()
	out, errs, status := a.CLI(t, nil, args...)
	if status != 0 {
		t.Fatalf("aws %s ends with status %d: %s", strings.Join(args, " "), status, errs)
	}
	return strings.TrimSpace(out)
}

// AWSRefuses runs the AWS CLI and wants the service to refuse with a code and a
// message. The exit status is the CLI's own for that.
func (a *API) AWSRefuses(t *testing.T, wantCode, wantMessage string, args ...string) {
	t.Helper()
	a.CLIRefuses(t, nil, wantCode, wantMessage, args...)
}

// CLIRefuses is AWSRefuses with more in the CLI's environment.
func (a *API) CLIRefuses(t *testing.T, environ []string, wantCode, wantMessage string, args ...string) {
	t.Helper()
	out, errs, status := a.CLI(t, environ, args...)
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
