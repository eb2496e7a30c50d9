use super::super::*;
use super::everything;
use serde_json::{Value, json};

#[test]
#[expect(clippy::too_many_lines, reason = "a document as it is written")]
fn sarif_has_all_that_there_is() {
    let mut document = sarif(&everything(), "1.2.3");
    // Of the rules one is enough, and of its page the beginning.
    let rules = document.pointer_mut("/runs/0/tool/driver/rules").unwrap();
    let mut rule = rules[0].take();
    rule["help"] = json!("…");
    *rules = json!([rule]);
    insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap(), @r#"
    {
      "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
      "properties": {
        "document": "lightship/audit/v1"
      },
      "runs": [
        {
          "columnKind": "unicodeCodePoints",
          "invocations": [
            {
              "executionSuccessful": true,
              "toolExecutionNotifications": [
                {
                  "level": "error",
                  "locations": [
                    {
                      "physicalLocation": {
                        "artifactLocation": {
                          "uri": "large"
                        }
                      }
                    }
                  ],
                  "message": {
                    "text": "not read"
                  }
                },
                {
                  "level": "note",
                  "message": {
                    "text": "2 more files were not read"
                  }
                }
              ]
            }
          ],
          "results": [
            {
              "level": "note",
              "locations": [
                {
                  "physicalLocation": {
                    "artifactLocation": {
                      "uri": "a%20b/docker%7Cfile/Dockerfile"
                    },
                    "region": {
                      "endColumn": 30,
                      "endLine": 1,
                      "startColumn": 6,
                      "startLine": 1
                    }
                  }
                }
              ],
              "message": {
                "text": "Google's own image: it stays where it is"
              },
              "partialFingerprints": {
                "lightship/v1": "ea54611f539e3b26e952a576d483eed1"
              },
              "properties": {
                "class": "google",
                "composed": [],
                "confidence": "high",
                "reference": "gcr.io/distroless/static",
                "resolves": null,
                "stays": "no mapping fits gcr.io/distroless/static",
                "target": null
              },
              "ruleId": "image-google",
              "ruleIndex": 2
            },
            {
              "fixes": [
                {
                  "artifactChanges": [
                    {
                      "artifactLocation": {
                        "uri": "a%20b/docker%7Cfile/Dockerfile"
                      },
                      "replacements": [
                        {
                          "deletedRegion": {
                            "endColumn": 18,
                            "endLine": 2,
                            "startColumn": 6,
                            "startLine": 2
                          },
                          "insertedContent": {
                            "text": "us-docker.pkg.dev/p/images/i:1"
                          }
                        }
                      ]
                    }
                  ],
                  "description": {
                    "text": "name where it is now"
                  }
                }
              ],
              "level": "error",
              "locations": [
                {
                  "physicalLocation": {
                    "artifactLocation": {
                      "uri": "a%20b/docker%7Cfile/Dockerfile"
                    },
                    "region": {
                      "endColumn": 18,
                      "endLine": 2,
                      "startColumn": 6,
                      "startLine": 2
                    }
                  }
                }
              ],
              "message": {
                "text": "gcr.io was shut down: this image has to be named where your repository is now"
              },
              "partialFingerprints": {
                "lightship/v1": "fd209717313ee2eb250b9824abd87b49"
              },
              "properties": {
                "class": "own",
                "composed": [],
                "confidence": "high",
                "reference": "gcr.io/p/i:1",
                "resolves": {
                  "anonymously": "refused",
                  "as_user": "yes"
                },
                "stays": null,
                "target": {
                  "reference": "us-docker.pkg.dev/p/images/i:1",
                  "resolves": null
                }
              },
              "ruleId": "image-own",
              "ruleIndex": 0
            },
            {
              "level": "error",
              "locations": [
                {
                  "physicalLocation": {
                    "artifactLocation": {
                      "uri": "ci.yml"
                    },
                    "region": {
                      "endColumn": 29,
                      "endLine": 3,
                      "startColumn": 20,
                      "startLine": 3
                    }
                  }
                }
              ],
              "message": {
                "text": "this step logs in to eu.gcr.io: log in to LOCATION-docker.pkg.dev as oauth2accesstoken, with workload identity\n\nInstead:\n\n# The job needs: permissions: {contents: read, id-token: write}\n- id: auth\n  uses: google-github-actions/auth@v2\n  with:\n    workload_identity_provider: projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER\n    service_account: ACCOUNT\n    token_format: access_token\n- uses: docker/login-action@v3\n  with:\n    registry: LOCATION-docker.pkg.dev\n    username: oauth2accesstoken\n    password: ${{ steps.auth.outputs.access_token }}\n"
              },
              "partialFingerprints": {
                "lightship/v1": "2d7ad1ac64ae5c03b1a6718d9ffd7194"
              },
              "properties": {
                "class": null,
                "composed": [],
                "confidence": "high",
                "reference": "eu.gcr.io",
                "resolves": null,
                "stays": "no mapping fits eu.gcr.io",
                "target": null
              },
              "ruleId": "login-step",
              "ruleIndex": 9
            },
            {
              "level": "error",
              "locations": [
                {
                  "physicalLocation": {
                    "artifactLocation": {
                      "uri": "secret.yaml"
                    },
                    "region": {
                      "endColumn": 59,
                      "endLine": 1,
                      "startColumn": 27,
                      "startLine": 1
                    }
                  }
                }
              ],
              "message": {
                "text": "nodes log in to gcr.io with this: make a secret for LOCATION-docker.pkg.dev, or let them use workload identity"
              },
              "partialFingerprints": {
                "lightship/v1": "76715d97275658b1b7b6391d17017dd9"
              },
              "properties": {
                "class": null,
                "composed": [],
                "confidence": "high",
                "reference": "gcr.io",
                "resolves": null,
                "stays": "it does not stand here letter by letter",
                "target": null
              },
              "ruleId": "pull-secret",
              "ruleIndex": 15
            }
          ],
          "tool": {
            "driver": {
              "name": "lightship",
              "rules": [
                {
                  "defaultConfiguration": {
                    "level": "error"
                  },
                  "help": "…",
                  "helpUri": "https://cloud.google.com/artifact-registry/docs/transition/transition-from-gcr",
                  "id": "image-own",
                  "shortDescription": {
                    "text": "an image of your own project in Container Registry"
                  }
                }
              ],
              "semanticVersion": "1.2.3"
            }
          }
        }
      ],
      "version": "2.1.0"
    }
    "#);
}

#[test]
fn sarif_is_what_its_specification_demands() {
    let document = sarif(&everything(), "1.2.3");
    assert_eq!(document["version"], "2.1.0");
    let run = &document["runs"][0];
    let driver = &run["tool"]["driver"];
    assert!(driver["name"].is_string());
    let rules = driver["rules"].as_array().unwrap();
    for rule in rules {
        assert!(rule["id"].is_string() && rule["help"]["text"].is_string());
        assert!(rule["helpUri"].as_str().unwrap().starts_with("https://"));
        assert!(is_level(&rule["defaultConfiguration"]["level"]));
    }
    let invocation = &run["invocations"][0];
    assert!(invocation["executionSuccessful"].is_boolean());
    for notification in invocation["toolExecutionNotifications"].as_array().unwrap() {
        assert!(notification["message"]["text"].is_string() && is_level(&notification["level"]));
    }
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 4);
    for result in results {
        assert!(result["message"]["text"].is_string() && is_level(&result["level"]));
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        let prints = result["partialFingerprints"].as_object().unwrap();
        assert!(prints.values().all(Value::is_string));
        let place = &result["locations"][0]["physicalLocation"];
        check_place(&place["artifactLocation"], &place["region"]);
        for fix in result["fixes"].as_array().into_iter().flatten() {
            let change = &fix["artifactChanges"][0];
            let replacement = &change["replacements"][0];
            check_place(&change["artifactLocation"], &replacement["deletedRegion"]);
            assert!(replacement["insertedContent"]["text"].is_string());
        }
    }
}

fn is_level(level: &Value) -> bool {
    matches!(level.as_str(), Some("none" | "note" | "warning" | "error"))
}

/// An address without a sign that none may have, and numbers from 1 on that go forward.
fn check_place(artifact: &Value, region: &Value) {
    let uri = artifact["uri"].as_str().unwrap();
    assert!(
        uri.bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"|<>\"\\^`{}".contains(&byte)),
        "{uri}"
    );
    let number = |name: &str| region[name].as_u64().unwrap();
    let (start, end) = (
        (number("startLine"), number("startColumn")),
        (number("endLine"), number("endColumn")),
    );
    assert!(
        start.0 >= 1 && start.1 >= 1 && end.1 >= 1 && start <= end,
        "{region}"
    );
}
