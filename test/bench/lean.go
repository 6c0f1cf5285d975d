// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// form is a call of the query protocol without its signature.
type form map[string]string

// signed returns the bytes of a call as a client sends them. They are good for
// five minutes, as often as one likes.
func (i *installation) signed(ctx context.Context, action string, f form) ([]byte, error) {
	values := url.Values{"Action": {action}, "Version": {"2016-11-15"}}
	for name, v := range f {
		values.Set(name, v)
	}
	body := values.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, i.endpoint+"/", strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	sum := sha256.Sum256([]byte(body))
	key := aws.Credentials{AccessKeyID: i.key.ID, SecretAccessKey: i.key.Secret}
	if err := v4.NewSigner().SignHTTP(ctx, key, r, hex.EncodeToString(sum[:]), "ec2", region, time.Now()); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// lean is a client that does as little as one can: it sends bytes that were made
// before and reads the answer without understanding it. What it measures is the
// server.
type lean struct {
	conn   net.Conn
	answer *bufio.Reader
	keep   []byte // of an answer, as far as wanted
}

func (i *installation) newLean() (*lean, error) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(i.endpoint, "http://"))
	if err != nil {
		return nil, err
	}
	return &lean{conn: conn, answer: bufio.NewReaderSize(conn, 256<<10)}, nil
}

// do sends a call and returns the first bytes of the answer, valid until the next
// call. An answer other than 200 is an error.
func (l *lean) do(request []byte) (head []byte, err error) {
	if _, err := l.conn.Write(request); err != nil {
		return nil, err
	}
	line, err := l.answer.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	good, length := bytes.HasPrefix(line, []byte("HTTP/1.1 200")), -1
	for {
		if line, err = l.answer.ReadSlice('\n'); err != nil {
			return nil, err
		}
		if len(line) <= 2 {
			break
		}
		if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(v))); err != nil {
				return nil, err
			}
		}
	}
	if length < 0 {
		return nil, errors.New("an answer without its length")
	}
	kept := min(length, 1024) // where the token of the next page is
	start, err := l.answer.Peek(kept)
	if err != nil {
		return nil, err
	}
	l.keep = append(l.keep[:0], start...)
	if _, err := l.answer.Discard(length); err != nil {
		return nil, err
	}
	if !good {
		return nil, fmt.Errorf("refused: %s", l.keep)
	}
	return l.keep, nil
}

func (l *lean) close() { l.conn.Close() }

// nextToken returns the token of the next page, "" on the last one.
func nextToken(head []byte) string {
	_, after, ok := bytes.Cut(head, []byte("<nextToken>"))
	if !ok {
		return ""
	}
	token, _, _ := bytes.Cut(after, []byte("<"))
	return string(token)
}
