package main

import "k8s.io/apimachinery/pkg/api/resource"

func init() {
	topics["quantities"] = func(c testCase) (any, error) {
		quantity, err := resource.ParseQuantity(c["text"].(string))
		if err != nil {
			return nil, err
		}
		return quantity.String(), nil
	}
}
