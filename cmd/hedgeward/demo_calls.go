// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	signer "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// fleetCalls makes AppStream's calls as docs/spec/appstream.md section 2 has
// them: demo shows the protocol, and the program carries no further SDK for it.
type fleetCalls struct{ cfg aws.Config }

// callError is a refusal.
type callError struct {
	Code    string `json:"__type"`
	Message string
}

func (e *callError) Error() string { return e.Code + ": " + e.Message }

// call makes one call. in is a JSON object; the answer goes into out, which may
// be nil. A refusal is a *callError.
func (c fleetCalls) call(ctx context.Context, operation string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, aws.ToString(c.cfg.BaseEndpoint)+"/", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", "PhotonAdminProxyService."+operation)
	key, err := c.cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	sum := sha256.Sum256(body)
	if err := signer.NewSigner().SignHTTP(ctx, key, req, hex.EncodeToString(sum[:]), "appstream", c.cfg.Region, time.Now()); err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	if resp.StatusCode != http.StatusOK {
		refusal := new(callError)
		if err := json.Unmarshal(text, refusal); err != nil {
			return fmt.Errorf("%s answers %s: %s", operation, resp.Status, text)
		}
		return refusal
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}
