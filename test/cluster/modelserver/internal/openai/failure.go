// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openai

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// failure is an error in the shape that OpenAI's clients expect.
type failure struct {
	status  int
	param   string // the field that is wrong, if one is
	message string
}

func (f *failure) Error() string { return f.message }

func badRequest(param, format string, args ...any) error {
	return &failure{status: http.StatusBadRequest, param: param, message: fmt.Sprintf(format, args...)}
}

func unknownModel(name string) error {
	return &failure{status: http.StatusNotFound, param: "model", message: fmt.Sprintf("The model `%s` does not exist.", name)}
}

// body is the failure as JSON.
func (f *failure) body() any {
	kinds := map[int]string{
		http.StatusBadRequest: "BadRequestError", http.StatusNotFound: "NotFoundError",
		http.StatusServiceUnavailable: "ServiceUnavailableError", http.StatusInternalServerError: "InternalServerError",
	}
	var param *string
	if f.param != "" {
		param = &f.param
	}
	return map[string]any{"error": map[string]any{
		"message": f.message, "type": kinds[f.status], "param": param, "code": f.status,
	}}
}

func asFailure(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	return &failure{status: http.StatusInternalServerError, message: err.Error()}
}

func writeFailure(w http.ResponseWriter, err error) {
	f := asFailure(err)
	writeJSON(w, f.status, f.body())
}

// writeJSON sends a body; a client that does not take it is gone, and there is nobody to tell.
func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// maxBody is more than the longest prompt that a model takes.
const maxBody = 64 << 20

func readJSON(w http.ResponseWriter, r *http.Request, into any) error {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(into); err != nil {
		return badRequest("", "the request body is not valid: %v", err)
	}
	return nil
}
