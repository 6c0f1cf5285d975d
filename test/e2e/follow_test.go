// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/hedgeward/hedgeward/test/rig"
)

// process is a program that runs beside the test. What it prints is kept by line.
type process struct {
	t     *testing.T
	mu    sync.Mutex
	lines []string
	done  chan struct{} // closed when it has ended
}

// launch runs a program until the test ends, which sends it SIGTERM.
func launch(t *testing.T, program string, args ...string) *process {
	t.Helper()
	cmd := exec.Command(program, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.mu.Lock()
			p.lines = append(p.lines, lines.Text())
			p.mu.Unlock()
		}
		cmd.Wait()
	}()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.done:
		case <-time.After(rig.Timeout):
			t.Errorf("%s does not end", program)
			cmd.Process.Kill()
			<-p.done
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(program), strings.Join(p.lines, "\n"))
		}
	})
	return p
}

// says waits for a line in which a pattern is found, and returns what its first group
// is.
func (p *process) says(pattern string) string {
	p.t.Helper()
	want := regexp.MustCompile(pattern)
	var found string
	soon(p.t, "the line "+pattern, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, line := range p.lines {
			if m := want.FindStringSubmatch(line); m != nil {
				found = m[len(m)-1]
				return true
			}
		}
		return false
	})
	return found
}

// logs waits for a line of the log that says something of a call and returns it.
func (p *process) logs(what, request string) map[string]any {
	p.t.Helper()
	var found map[string]any
	soon(p.t, fmt.Sprintf("%q of call %s", what, request), func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, line := range p.lines {
			var said map[string]any
			if json.Unmarshal([]byte(line), &said) == nil && said["msg"] == what && strings.Contains(line, request) {
				found = said
				return true
			}
		}
		return false
	})
	return found
}

// soon waits for something that another process does.
func soon(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick, late := time.NewTicker(20*time.Millisecond), time.After(rig.Timeout)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("it does not come: ", what)
		}
	}
}

// spans are what a collector was sent, as "trace name".
type spans struct {
	mu  sync.Mutex
	all []string
}

func (s *spans) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m := &collector.ExportTraceServiceRequest{}
	if text, err := io.ReadAll(r.Body); err != nil || proto.Unmarshal(text, m) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, of := range m.ResourceSpans {
		for _, in := range of.ScopeSpans {
			for _, span := range in.Spans {
				s.all = append(s.all, hex.EncodeToString(span.TraceId)+" "+span.Name)
			}
		}
	}
}

// TestACallIsFollowedIntoTheKernel: by the id that the client is shown, through the log
// of a server, that of the host where it matters, and a trace; and how far the host is
// can be read from the API, status and metrics.
func TestACallIsFollowedIntoTheKernel(t *testing.T) {
	t.Parallel()
	programs := t.TempDir()
	agent := filepath.Join(programs, "hedgeward-agent")
	if out, err := exec.Command("go", "build", "-o", agent, "../../cmd/hedgeward-agent").CombinedOutput(); err != nil {
		t.Fatalf("build the agent: %v\n%s", err, out)
	}
	traced := &spans{}
	web := httptest.NewServer(traced)
	t.Cleanup(web.Close)
	var states []string
	for range 2 {
		dir, err := rig.NewFolder()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		states = append(states, dir)
	}
	run := func(program string, args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), rig.Timeout)
		defer cancel()
		out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", filepath.Base(program), strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}
	operate := func(args ...string) string {
		t.Helper()
		return run(rig.Program(), append([]string{"--state", states[0]}, args...)...)
	}
	server := launch(t, rig.Program(), "--state", states[0], "server", "--listen", "127.0.0.1:0", "--agents", "127.0.0.1:0",
		"--log-level", "debug", "--log-json", "--traces", web.URL)
	endpoint := server.says(`API +(http://\S+)`)
	server.says(`account`)
	hosts := regexp.MustCompile(`Hosts find it at (\S+);`).FindStringSubmatch(operate("status"))
	if hosts == nil {
		t.Fatal("status does not say where hosts find the server")
	}
	run(agent, "--state", states[1], "join", "--server", "https://"+hosts[1], "--name", "rack-1", "--token", operate("host", "token", "create"))
	t.Cleanup(func() {
		if out, err := exec.Command(agent, "--state", states[1], "down").CombinedOutput(); err != nil {
			t.Errorf("take the host down: %v\n%s", err, out)
		}
	})
	refused, err := exec.Command(agent, "--state", states[1], "run", "--metrics", "192.0.2.1:9464").CombinedOutput()
	if err == nil || !strings.Contains(string(refused), "choose another address with --metrics") || strings.Contains(string(refused), "panic") {
		t.Errorf("with an address of another machine for metrics: %v\n%s", err, refused)
	}
	host := launch(t, agent, "--state", states[1], "run", "--log-level", "debug", "--log-json")
	host.says(`"following"`)

	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithSharedConfigProfile("hedgeward"), config.WithBaseEndpoint(endpoint),
		config.WithSharedConfigFiles([]string{filepath.Join(states[0], "aws", "config")}),
		config.WithSharedCredentialsFiles([]string{filepath.Join(states[0], "aws", "credentials")}))
	if err != nil {
		t.Fatal(err)
	}
	api := ec2.NewFromConfig(cfg)
	made, err := api.RunInstances(t.Context(), &ec2.RunInstancesInput{ImageId: aws.String("ami-netns"), MinCount: aws.Int32(1), MaxCount: aws.Int32(1)})
	if err != nil {
		t.Fatal(err)
	}
	if err := ec2.NewInstanceRunningWaiter(api, func(o *ec2.InstanceRunningWaiterOptions) { o.MinDelay = 100 * time.Millisecond }).Wait(
		t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{*made.Instances[0].InstanceId}}, rig.Timeout); err != nil {
		t.Fatal(err)
	}
	eni := made.Instances[0].NetworkInterfaces[0]
	opened, err := api.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: eni.Groups[0].GroupId, IpProtocol: aws.String("tcp"), FromPort: aws.Int32(80), ToPort: aws.Int32(80), CidrIp: aws.String("0.0.0.0/0"),
	})
	if err != nil {
		t.Fatal(err)
	}
	request, _ := awsmiddleware.GetRequestIDMetadata(opened.ResultMetadata)
	if len(request) != 36 {
		t.Fatalf("the client is shown the request id %q", request)
	}

	if said := server.logs("api call", request); said["action"] != "AuthorizeSecurityGroupIngress" {
		t.Errorf("the call is logged as %v", said)
	}
	committed := server.logs("committed", request)["revision"].(float64)
	if told := server.logs("told", request); told["host"] != "rack-1" || told["revision"] != committed {
		t.Errorf("revision %v is told as %v", committed, told)
	}
	if there := host.logs("in force", request); there["revision"] != committed || there["groups"] != 1.0 || there["delay"].(float64) <= 0 {
		t.Errorf("revision %v is in force as %v", committed, there)
	}
	if known := server.logs("in force on a host", request); known["host"] != "rack-1" || known["took"].(float64) <= 0 {
		t.Errorf("the server knows of it as %v", known)
	}
	operate("wait", "--revision", strconv.FormatFloat(committed, 'f', -1, 64), "--resource", *eni.NetworkInterfaceId)
	var status struct {
		Kernel []struct {
			ID       string
			Revision float64
		}
	}
	if err := json.Unmarshal([]byte(run(agent, "--state", states[1], "status", "--json")), &status); err != nil {
		t.Fatal(err)
	}
	if len(status.Kernel) != 1 || status.Kernel[0].ID != *eni.NetworkInterfaceId || status.Kernel[0].Revision != committed {
		t.Errorf("the kernel judges by %+v, want revision %v at %s", status.Kernel, committed, *eni.NetworkInterfaceId)
	}

	shown, err := api.DescribeNetworkInterfaces(t.Context(), &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{*eni.NetworkInterfaceId}})
	if err != nil {
		t.Fatal(err)
	}
	tags := shown.NetworkInterfaces[0].TagSet
	if len(tags) != 1 || *tags[0].Key != "aws:hedgeward:enforced-revision" {
		t.Fatalf("the interface has the tags %v", tags)
	}
	if at, err := strconv.ParseFloat(*tags[0].Value, 64); err != nil || at < committed {
		t.Errorf("revision %s is shown to be in force, %v is", *tags[0].Value, committed)
	}
	if said := operate("status"); !regexp.MustCompile(`(?m)^rack-1 +connected +\d+s +\d+ +0 +1 +0$`).MatchString(said) {
		t.Errorf("status says\n%s", said)
	}
	local := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(states[1], "agent.sock"))
	}}}
	resp, err := local.Get("http://agent/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`hedgeward_connected 1`, `hedgeward_interfaces\{state="enforced"\} 1`, `hedgeward_apply_errors_total 0`, `hedgeward_journal_writes_total [1-9]\d*`,
		`hedgeward_enforcement_delay_seconds_count [1-9]\d*`, `hedgeward_certificate_expiry_timestamp_seconds 1\.\d+e\+09`,
		`hedgeward_interface_flows\{interface="` + *eni.NetworkInterfaceId + `"\} \d+`,
	} {
		if !regexp.MustCompile("(?m)^" + line + "$").Match(page) {
			t.Errorf("the host's metrics have no line %s:\n%s", line, page)
		}
	}

	trace := strings.ReplaceAll(request, "-", "")
	for _, name := range []string{"ec2.AuthorizeSecurityGroupIngress", "commit", "tell host", "apply"} {
		soon(t, "the span "+name, func() bool {
			traced.mu.Lock()
			defer traced.mu.Unlock()
			return slices.Contains(traced.all, trace+" "+name)
		})
	}
}
