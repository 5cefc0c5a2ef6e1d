//! What a bundle's files are: a chart, plain manifests, something for kustomize. Pure.

use api::names::chart_prefix;
use api::v1alpha1::BundleDeploymentOptions;
use bundle::path;

/// What was found among the names of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Style {
    /// Directory of the chart, empty for the root of the bundle. `None`: plain manifests.
    pub(super) chart: Option<String>,
    /// Directory of the kustomization, empty for the root of the bundle, if there is one where it is
    /// looked for. Upstream knows one of the names of its file only.
    pub(super) kustomization: Option<String>,
}

/// Source: fleet `internal/bundlereader` and `internal/manifest`, `GetStyle`.
pub(super) fn detect<'a>(
    names: impl IntoIterator<Item = &'a str> + Clone,
    options: &BundleDeploymentOptions,
) -> Style {
    let (chart, repo, version) = options.helm.as_ref().map_or(("", "", ""), |helm| {
        (
            helm.chart.as_str(),
            helm.repo.as_str(),
            helm.version.as_str(),
        )
    });
    let place = if chart.is_empty() { repo } else { chart };
    let expected = path::join(&[place, "Chart.yaml"]);
    let expected = expected.trim_start_matches('/').to_owned();
    let downloaded = format!("{}/", chart_prefix(chart, repo, version));
    let is_chart = |name: &&str| {
        *name == expected
            || name.strip_prefix(&downloaded).is_some_and(|inner| {
                inner == "Chart.yaml"
                    || inner
                        .split_once('/')
                        .is_some_and(|(_, file)| file == "Chart.yaml")
            })
    };
    let found = names.clone().into_iter().find(is_chart);
    let directory = options
        .kustomize
        .as_ref()
        .map_or("", |kustomize| kustomize.dir.as_str());
    let directory = path::join(&["/", directory]);
    let directory = directory.trim_start_matches('/');
    let is_kustomization = |name: &str| {
        let (place, file) = name.rsplit_once('/').unwrap_or(("", name));
        place == directory && kustomize::FILE_NAMES.contains(&file)
    };
    Style {
        chart: found.map(|name| {
            name.trim_end_matches("Chart.yaml")
                .trim_end_matches('/')
                .to_owned()
        }),
        kustomization: names
            .into_iter()
            .any(is_kustomization)
            .then(|| directory.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use api::v1alpha1::{HelmOptions, KustomizeOptions};

    use super::*;

    fn options(chart: &str, repo: &str) -> BundleDeploymentOptions {
        BundleDeploymentOptions {
            helm: Some(HelmOptions {
                chart: chart.to_owned(),
                repo: repo.to_owned(),
                ..HelmOptions::default()
            }),
            ..BundleDeploymentOptions::default()
        }
    }

    #[test]
    fn the_chart_file_decides() {
        let downloaded = format!("{}/web/Chart.yaml", chart_prefix("web", "https://r", ""));
        let too_deep = format!("{}/a/b/Chart.yaml", chart_prefix("web", "https://r", ""));
        for (names, options, expected) in [
            (
                vec!["Chart.yaml", "values.yaml"],
                BundleDeploymentOptions::default(),
                Some(""),
            ),
            (
                vec!["a/Chart.yaml"],
                BundleDeploymentOptions::default(),
                None,
            ),
            (vec!["a/Chart.yaml"], options("a", ""), Some("a")),
            (vec!["a/Chart.yaml"], options("./a/", ""), Some("a")),
            (vec!["a/Chart.yaml"], options("/a", ""), Some("a")),
            (vec!["b/Chart.yaml"], options("a", ""), None),
            (
                vec![downloaded.as_str()],
                options("web", "https://r"),
                Some(downloaded.trim_end_matches("/Chart.yaml")),
            ),
            (vec![too_deep.as_str()], options("web", "https://r"), None),
            (
                vec![downloaded.as_str()],
                options("other", "https://r"),
                None,
            ),
            (vec![], BundleDeploymentOptions::default(), None),
        ] {
            let style = detect(names.iter().copied(), &options);
            assert_eq!(style.chart.as_deref(), expected, "{names:?} {options:?}");
        }
    }

    #[test]
    fn a_kustomization_counts_only_where_it_is_looked_for() {
        let in_directory = BundleDeploymentOptions {
            kustomize: Some(KustomizeOptions {
                dir: "k".to_owned(),
            }),
            ..BundleDeploymentOptions::default()
        };
        let found = |names: &[&str], options: &BundleDeploymentOptions| {
            detect(names.iter().copied(), options)
                .kustomization
                .is_some()
        };
        assert!(found(
            &["kustomization.yaml"],
            &BundleDeploymentOptions::default()
        ));
        assert!(found(&["k/kustomization.yaml"], &in_directory));
        assert!(!found(&["kustomization.yaml"], &in_directory));
        for name in ["Kustomization", "kustomization.yml"] {
            assert!(found(&[name], &BundleDeploymentOptions::default()));
            assert!(!found(&[name], &in_directory));
        }
        assert!(!found(
            &["k/kustomization.yaml/a", "kustomization.json"],
            &in_directory
        ));
    }
}
