// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// plainRequest is an HTTP request that nothing is done for.
func (i *installation) plainRequest(int) error {
	resp, err := http.Post(i.bare, "text/plain", strings.NewReader("Action=Nothing"))
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return errors.Join(err, resp.Body.Close())
}

// fsync writes a block to the disk that the store is on.
func fsync(path string) func(int) error {
	f, err := os.Create(path)
	if err != nil {
		return func(int) error { return err }
	}
	block := make([]byte, 4<<10)
	return func(n int) error {
		if _, err := f.WriteAt(block, int64(n)*int64(len(block))); err != nil {
			return err
		}
		return unix.Fdatasync(int(f.Fd()))
	}
}

// wholeAnswers reads every answer to its end before the SDK sees it. The SDK
// closes its request as soon as an answer begins; if the transport is not done
// with the request by then, it gives the connection up in the middle of a long
// answer, which the SDK's retries would hide here.
type wholeAnswers struct{ transport *http.Transport }

// RoundTrip implements http.RoundTripper.
func (w wholeAnswers) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := w.transport.RoundTrip(r)
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
