package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// admin asks a server that runs, as upstream's program does. Of its requests there is the one that the store needs.
func admin(ctx context.Context, arguments []string) error {
	usage := "usage: versitygw admin --endpoint-url URL change-bucket-owner --bucket BUCKET --owner ACCESS-KEY"
	whom := flag.NewFlagSet("admin", flag.ExitOnError)
	endpoint := whom.String("endpoint-url", os.Getenv("ADMIN_ENDPOINT_URL"), "where the server answers")
	region := whom.String("region", cmp.Or(os.Getenv("ADMIN_REGION"), "us-east-1"), "the region that it signs for")
	_ = whom.Parse(arguments)
	if whom.NArg() == 0 || whom.Arg(0) != "change-bucket-owner" {
		log.Fatalln(usage)
	}
	what := flag.NewFlagSet("change-bucket-owner", flag.ExitOnError)
	bucket := what.String("bucket", "", "whose owner changes")
	owner := what.String("owner", "", "access key of the new owner")
	_ = what.Parse(whom.Args()[1:])
	query := url.Values{"bucket": {*bucket}, "owner": {*owner}}.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPatch, *endpoint+"/change-bucket-owner/?"+query, nil)
	if err != nil {
		return err
	}
	return send(request, *region)
}

func send(request *http.Request, region string) error {
	empty := sha256.Sum256(nil)
	payload := hex.EncodeToString(empty[:])
	request.Header.Set("X-Amz-Content-Sha256", payload)
	keys := aws.Credentials{
		AccessKeyID:     cmp.Or(os.Getenv("ADMIN_ACCESS_KEY_ID"), os.Getenv("ADMIN_ACCESS_KEY")),
		SecretAccessKey: cmp.Or(os.Getenv("ADMIN_SECRET_ACCESS_KEY"), os.Getenv("ADMIN_SECRET_KEY")),
	}
	if err := v4.NewSigner().SignHTTP(request.Context(), keys, request, payload, "s3", region, time.Now()); err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(io.LimitReader(answer.Body, 1<<16))
	if err != nil {
		return err
	}
	if answer.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s: %s", answer.Status, bytes.TrimSpace(said))
	}
	return nil
}
