// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// startWithin is how long the server may take to be ready.
const startWithin = time.Minute

// server is the process that is measured.
type server struct {
	cmd            *exec.Cmd
	done           chan error
	agents         string // address for hosts
	program, state string
	api            *ec2.Client
	socket         *http.Client
}

var apiLine = regexp.MustCompile(`(?m)^ *API +(http://\S+)$`)

// start runs a server with an embedded store and waits until it is ready.
func start(ctx context.Context, program, state string) (*server, error) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	if err := free.Close(); err != nil {
		return nil, err
	}
	return launch(ctx, program, state, free.Addr().String())
}

// launch is start with the address for hosts given.
func launch(ctx context.Context, program, state, agents string) (*server, error) {
	s := &server{program: program, state: state, agents: agents, done: make(chan error, 1)}
	s.cmd = exec.Command(program, "server", "--state", state, "--listen", "127.0.0.1:0", "--agents", s.agents, "--drain", "0s")
	s.cmd.Stderr = os.Stderr
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	said, ready := make(chan string, 1), new(strings.Builder)
	go func() {
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			fmt.Fprintln(ready, lines.Text())
			if strings.Contains(lines.Text(), " state ") {
				said <- ready.String()
			}
		}
		s.done <- s.cmd.Wait()
	}()
	var text string
	select {
	case text = <-said:
	case err := <-s.done:
		return nil, fmt.Errorf("the server ended: %w", err)
	case <-time.After(startWithin):
		return nil, errors.Join(fmt.Errorf("the server is not ready after %s", startWithin), s.cmd.Process.Kill())
	}
	endpoint := apiLine.FindStringSubmatch(text)
	if endpoint == nil {
		return nil, fmt.Errorf("the server does not say where its API is: %q", text)
	}
	cfg, err := config.LoadDefaultConfig(ctx,
		config.WithSharedConfigProfile("hedgeward"),
		config.WithSharedConfigFiles([]string{filepath.Join(state, "aws", "config")}),
		config.WithSharedCredentialsFiles([]string{filepath.Join(state, "aws", "credentials")}),
	)
	if err != nil {
		return nil, err
	}
	s.api = ec2.NewFromConfig(cfg, func(o *ec2.Options) { o.BaseEndpoint, o.RetryMaxAttempts = aws.String(endpoint[1]), 1 })
	s.socket = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(state, "control.sock"))
	}}}
	return s, nil
}

// stop ends the server.
func (s *server) stop() error {
	s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.done:
		return err
	case <-time.After(startWithin):
		return errors.Join(errors.New("the server does not end"), s.cmd.Process.Kill())
	}
}

// order sends an operator's command.
func (s *server) order(ctx context.Context, path string, value, into any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://hedgeward"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := s.socket.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, bytes.TrimSpace(answer))
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}

// resident returns the server's resident memory in bytes.
func (s *server) resident() (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text))
	pages, err := strconv.ParseFloat(fields[1], 64)
	return pages * float64(os.Getpagesize()), err
}

// cpu returns the processor time that the server has used.
func (s *server) cpu() (time.Duration, error) { return cpuOf(s.cmd.Process) }

func cpuOf(p *os.Process) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond, err // in ticks of 100 Hz, whatever the kernel's
}
