package example.markhor;

/*
 * Copyright 2022 Markhor Ltd.
 *
 * Licensed under the Apache License, Version 2.0 (the "License");
 * you may not use this file except in compliance with the License.
 * Parts come from a sample published with gcr.io/google-samples.
 */

/** Graph colouring rules; the name has nothing to do with gcr.io. */
public class Gcr {
    private static final String HOST = "xgcr.io";
    private static final String TOKEN = System.getenv("GCR_TOKEN");

    // String old = "gcr.io/markhor/app";
    public String url() {
        return "https://" + HOST + "/v2/" + TOKEN;
    }
}
